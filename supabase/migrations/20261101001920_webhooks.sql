-- Webhooks: where outside systems want to be told, of what, and the secrets that sign it.
--
-- A secret has to be had again to sign with, so it lies in Vault and a mask in the row. How deliveries are made and
-- sent is in the module webhook_deliveries.

-- Tables

create table public.webhooks (
  id uuid primary key default private.uuid_v7(),
  name text not null default '',
  endpoint_url text not null,
  events text[] not null,
  secret text not null default '',
  previous_secret_until timestamptz,
  is_active boolean not null default true,
  active_since timestamptz not null default now(),
  failing_since timestamptz,
  last_success_at timestamptz,
  disabled_at timestamptz,
  disabled_reason text,
  created_by uuid default auth.uid() references public.profiles (id) on delete set null,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint webhooks_name_is_short check (length(name) <= 100),
  constraint webhooks_endpoint_is_an_address check (
    length(endpoint_url) <= 2048
    and endpoint_url ~ '^(https://[^/?#@\s\\]+|http://(127\.0\.0\.1|localhost)(:[0-9]+)?)([/?][^\s#]*)?$'
  ),
  constraint webhooks_events_are_named check (cardinality(events) between 1 and 100),
  constraint webhooks_disabled_reason_is_known check (disabled_reason in ('failing', 'gone')),
  constraint webhooks_disabled_has_both check ((disabled_at is null) = (disabled_reason is null)),
  constraint webhooks_disabled_is_not_active check (disabled_at is null or not is_active)
);

comment on table public.webhooks is 'Where outside systems want to be told, and of what. Write with insert({endpoint_url, events, secret}).';

comment on column public.webhooks.endpoint_url is 'https; http on this machine alone, where the worker is told to allow it.';

comment on column public.webhooks.events is 'Such as lead.created, lead.status_change, lead.* or *. webhook_event_types() lists them.';

comment on column public.webhooks.secret is 'A mask: what is written here goes to Vault. At least 16 characters, or whsec_ and base64; without one it is made, and webhook_secret_rotate() shows one.';

comment on column public.webhooks.previous_secret_until is 'Until when deliveries are signed with the secret before this one as well.';

comment on column public.webhooks.active_since is 'Set by trigger when it is made active: what happened before is not told.';

comment on column public.webhooks.failing_since is 'First failure since the last success.';

comment on column public.webhooks.disabled_reason is 'failing: no success for webhooks.disable_after_hours. gone: it answered 410. Making it active again clears it.';

create index webhooks_active on public.webhooks (active_since) where is_active;

create index webhooks_of_maker on public.webhooks (created_by) where created_by is not null;

-- Policies

alter table public.webhooks enable row level security;

create policy webhooks_read on public.webhooks for select to authenticated
  using ((select private.has_permission('integrations.read')) or (select private.has_permission('integrations.manage')));

comment on policy webhooks_read on public.webhooks is 'integrations.read or integrations.manage. The secret is a mask.';

create policy webhooks_create on public.webhooks for insert to authenticated
  with check ((select private.has_permission('integrations.manage')));

comment on policy webhooks_create on public.webhooks is 'Needs integrations.manage.';

create policy webhooks_change on public.webhooks for update to authenticated
  using ((select private.has_permission('integrations.manage')))
  with check ((select private.has_permission('integrations.manage')));

comment on policy webhooks_change on public.webhooks is 'Needs integrations.manage.';

create policy webhooks_delete on public.webhooks for delete to authenticated
  using ((select private.has_permission('integrations.manage')));

comment on policy webhooks_delete on public.webhooks is 'Needs integrations.manage. Its deliveries and its secret go with it.';

-- Functions: what there is to tell

create function private.webhook_event_types() returns text[]
language plpgsql stable security definer set search_path = '' as $$
begin
  -- The timeline's own rule is the list, so that a kind added there is one here.
  return array(
    select e.entity || '.' || t.type[1]
    from unnest(array['lead', 'contact', 'student', 'deal']) e (entity)
    cross join lateral (
      select regexp_matches(pg_catalog.pg_get_constraintdef(k.oid), '''([a-z_]+)''', 'g') as type
      from pg_catalog.pg_constraint k
      where k.conrelid = 'public.activities'::regclass and k.conname = 'activities_type_is_known'
    ) t
    order by 1
  );
end
$$;

comment on function private.webhook_event_types() is 'Every event that a webhook may ask for.';

-- Functions: secrets

create function private.new_webhook_secret() returns text
language plpgsql volatile set search_path = '' as $$
begin
  return 'whsec_' || encode(decode(replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', ''), 'hex'), 'base64');
end
$$;

comment on function private.new_webhook_secret() is 'A secret in the form of Standard Webhooks, of 244 random bits.';

create function private.webhook_secret(p_id uuid, p_which text default '') returns text
language plpgsql stable security definer set search_path = '' as $$
begin
  return (select v.decrypted_secret from vault.decrypted_secrets v where v.name = 'webhook:' || p_id || p_which);
end
$$;

comment on function private.webhook_secret(uuid, text) is 'The secret of a webhook; :previous is the one before.';

create function private.keep_webhook_secret(p_id uuid, p_secret text, p_which text default '') returns void
language plpgsql volatile security definer set search_path = '' as $$
declare
  known uuid;
begin
  select v.id into known from vault.decrypted_secrets v where v.name = 'webhook:' || p_id || p_which;

  if known is null then
    perform vault.create_secret(p_secret, 'webhook:' || p_id || p_which, 'Signs what a webhook is sent');
  else
    perform vault.update_secret(known, p_secret);
  end if;
end
$$;

comment on function private.keep_webhook_secret(uuid, text, text) is 'Puts a secret of a webhook into Vault.';

-- Triggers

create function private.prepare_webhook() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
  wrong text;
begin
  new.endpoint_url := btrim(new.endpoint_url);
  new.events := array(select distinct e from unnest(new.events) e order by e);

  select e into wrong
  from unnest(new.events) e
  where e is null or not (e in ('*', 'lead.*', 'contact.*', 'student.*', 'deal.*') or e = any (private.webhook_event_types()))
  limit 1;

  if found then
    perform private.fail('webhook_event_unknown', left(wrong, 80));
  end if;

  if tg_op = 'INSERT' or new.secret is distinct from old.secret then
    new.secret := coalesce(nullif(btrim(new.secret), ''), private.new_webhook_secret());

    if length(new.secret) not between 16 and 256 or new.secret ~ '[^ -~]' or (new.secret like 'whsec\_%' and substr(new.secret, 7) !~ '^([A-Za-z0-9+/]{4}){4,}([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$') then
      perform private.fail('argument_invalid', 'secret is 16 to 256 printable characters, or whsec_ and base64');
    end if;

    perform private.keep_webhook_secret(new.id, new.secret);

    new.secret := private.mask_secret(new.secret) #>> '{}';
  end if;

  if tg_op = 'UPDATE' and new.is_active and not old.is_active then
    new.active_since := now();
    new.failing_since := null;
    new.disabled_at := null;
    new.disabled_reason := null;
  end if;

  return new;
end
$$;

comment on function private.prepare_webhook() is 'Refuses events that there are not, moves the secret to Vault, and lets a webhook that is made active begin anew.';

create trigger prepare_webhook before insert or update of endpoint_url, events, secret, is_active on public.webhooks
  for each row execute function private.prepare_webhook();

create function private.forget_webhook() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  delete from vault.secrets v where v.name in ('webhook:' || old.id, 'webhook:' || old.id || ':previous');

  return null;
end
$$;

comment on function private.forget_webhook() is 'A secret goes with its webhook.';

create trigger forget_webhook after delete on public.webhooks
  for each row execute function private.forget_webhook();

create trigger touch_updated_at before update of name, endpoint_url, events, secret, is_active on public.webhooks
  for each row execute function private.touch_updated_at();

-- Not of every delivery: how it stands is no change of it.
create trigger audit after insert or update of name, endpoint_url, events, secret, is_active, previous_secret_until or delete on public.webhooks
  for each row execute function private.audit_row('secret');

-- RPCs

create function public.webhook_event_types() returns text[]
language sql stable security invoker set search_path = '' as $$
  select private.webhook_event_types();
$$;

comment on function public.webhook_event_types() is 'Every event that webhooks.events may name; besides, lead.*, contact.*, student.*, deal.* and *.';

create function private.webhook_secret_rotate(p_id uuid, p_overlap_hours integer, p_secret text) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
  fresh constant text := coalesce(nullif(btrim(p_secret), ''), private.new_webhook_secret());
  until timestamptz;
begin
  perform private.require_permission('integrations.manage');

  if p_overlap_hours is null or p_overlap_hours not between 0 and 168 then
    perform private.fail('argument_invalid', 'p_overlap_hours is 0 to 168');
  end if;

  until := case when p_overlap_hours > 0 then now() + make_interval(hours => p_overlap_hours) end;

  perform from public.webhooks w where w.id = p_id for update;

  if not found then
    perform private.fail('webhook_not_found', p_id::text);
  end if;

  perform private.keep_webhook_secret(p_id, private.webhook_secret(p_id), ':previous');

  update public.webhooks w set secret = fresh, previous_secret_until = until where w.id = p_id;

  return jsonb_build_object('id', p_id, 'secret', fresh, 'previous_secret_until', until);
end
$$;

comment on function private.webhook_secret_rotate(uuid, integer, text) is 'Body of public.webhook_secret_rotate().';

create function public.webhook_secret_rotate(p_id uuid, p_overlap_hours integer default 24, p_secret text default null) returns jsonb
language sql volatile security invoker set search_path = '' as $$
  select private.webhook_secret_rotate(p_id, p_overlap_hours, p_secret);
$$;

comment on function public.webhook_secret_rotate(uuid, integer, text) is 'A new secret for a webhook: {id, secret, previous_secret_until}, this once. For p_overlap_hours (0 to 168) deliveries carry a signature by each of the two. Needs integrations.manage. Errors: webhook_not_found, argument_invalid.';

-- Grants

revoke all on public.webhooks from anon, authenticated, service_role;

grant select, delete,
  insert (name, endpoint_url, events, secret, is_active),
  update (name, endpoint_url, events, is_active)
  on public.webhooks to authenticated;

grant select, insert, update, delete on public.webhooks to service_role;

revoke all on function
  private.webhook_event_types(),
  private.new_webhook_secret(),
  private.webhook_secret(uuid, text),
  private.keep_webhook_secret(uuid, text, text),
  private.prepare_webhook(),
  private.forget_webhook(),
  private.webhook_secret_rotate(uuid, integer, text),
  public.webhook_event_types(),
  public.webhook_secret_rotate(uuid, integer, text)
  from public, anon, authenticated, service_role;

grant execute on function
  private.webhook_event_types(),
  private.webhook_secret_rotate(uuid, integer, text),
  public.webhook_event_types(),
  public.webhook_secret_rotate(uuid, integer, text)
  to authenticated;

-- This module's errors

insert into public.error_codes (code, sqlstate, message, hint) values
  ('webhook_not_found', 'PT404', 'There is no such webhook or delivery.', null),
  ('webhook_event_unknown', 'PT422', 'There is no such event.', 'webhook_event_types() lists them; lead.* and * are possible too.');
