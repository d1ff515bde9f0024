-- Campaign tracking: who opened, followed a link, or wants no more of it.
--
-- A link in an e-mail names its message and is signed, so that nobody makes one up; where it leads is looked up among
-- the links that the content had, so that nobody is sent anywhere else. What is heard goes the way of what providers
-- report: forward only, however often it comes.

-- Tables

create table private.campaign_links (
  campaign_id uuid not null references public.campaigns (id) on delete cascade,
  position integer not null,
  url text not null,
  primary key (campaign_id, position)
);

comment on table private.campaign_links is 'The links of a launched campaign: nothing else is ever redirected to.';

create table private.track_key (
  is_only boolean primary key default true,
  inner_key bytea not null,
  outer_key bytea not null,
  constraint one_track_key check (is_only)
);

comment on table private.track_key is 'What tracking links are signed with. Made on this project and known to no other.';

insert into private.track_key (inner_key, outer_key)
select string_agg(uuid_send(gen_random_uuid()), ''), string_agg(uuid_send(gen_random_uuid()), '')
from generate_series(1, 4);

alter table private.campaign_links enable row level security;

alter table private.track_key enable row level security;

-- Functions

create function private.track_token(p_kind text, p_communication_id uuid, p_link integer default 0) returns text
language plpgsql stable security definer set search_path = '' as $$
declare
  told bytea := uuid_send(p_communication_id) || substr(int4send(p_link), 3);
  key private.track_key;
begin
  select * into key from private.track_key;

  -- As in HMAC, a hash within a hash, with a key each.
  return rtrim(translate(encode(
    told || substr(sha256(key.outer_key || sha256(key.inner_key || convert_to(p_kind, 'UTF8') || told)), 1, 16), 'base64'
  ), '+/', '-_'), '=');
end
$$;

comment on function private.track_token(text, uuid, integer) is 'What stands in a tracking link: the message, the number of the link, and a signature over both and the kind (open, click, unsubscribe).';

create function private.track_read(p_kind text, p_token text, out communication_id uuid, out link integer)
language plpgsql stable security definer set search_path = '' as $$
declare
  told bytea;
begin
  if p_token is null or p_token !~ '^[A-Za-z0-9_-]{46}$' then
    return;
  end if;

  told := decode(translate(p_token, '-_', '+/') || '==', 'base64');
  communication_id := encode(substr(told, 1, 16), 'hex')::uuid;
  link := get_byte(told, 16) * 256 + get_byte(told, 17);

  -- Compared as hashes, so that the time it takes tells nothing.
  if sha256(convert_to(private.track_token(p_kind, communication_id, link), 'UTF8')) <> sha256(convert_to(p_token, 'UTF8')) then
    communication_id := null;
    link := null;
  end if;
end
$$;

comment on function private.track_read(text, text) is 'The message and link that a token names, nulls if it was not made here.';

create function private.track_base() returns text
language plpgsql stable security definer set search_path = '' as $$
begin
  return (select rtrim(v.decrypted_secret, '/') || '/track' from vault.decrypted_secrets v where v.name = 'functions_url');
end
$$;

comment on function private.track_base() is 'Where tracking links lead; null while the project has not said where its functions are, and then there are none.';

create function private.track_hear(p_communication_id uuid, p_report jsonb) returns void
language plpgsql volatile security definer set search_path = '' as $$
begin
  perform private.message_report(c.provider, jsonb_build_array(p_report || jsonb_build_object('id', c.id, 'at', clock_timestamp())))
  from public.communications c
  where c.id = p_communication_id;
end
$$;

comment on function private.track_hear(uuid, jsonb) is 'Reports what a tracking link told, as its provider would.';

create function private.track_open(p_token text) returns void
language plpgsql volatile security definer set search_path = '' as $$
begin
  perform private.track_hear(t.communication_id, '{"status": "read"}')
  from private.track_read('open', p_token) t
  where t.communication_id is not null;
end
$$;

comment on function private.track_open(text) is 'The pixel of a message was loaded.';

create function private.track_click(p_token text) returns text
language plpgsql volatile security definer set search_path = '' as $$
declare
  token record;
  message public.communications;
  target text;
begin
  select * into token from private.track_read('click', p_token);

  select c.* into message from public.communications c where c.id = token.communication_id for no key update;

  select k.url into target from private.campaign_links k where k.campaign_id = message.campaign_id and k.position = token.link;

  if target is null then
    return null;
  end if;

  perform private.track_hear(message.id, '{"status": "read", "is_click": true}');

  if message.clicked_at is null and exists (select from public.communications c where c.id = message.id and c.clicked_at is not null) then
    perform private.record_activity(
      'email_clicked', 'Clicked Link', message.subject, p_lead_id => message.lead_id, p_student_id => message.student_id,
      p_source_id => message.id, p_occurred_at => clock_timestamp(), p_actor_id => null
    );
  end if;

  return target;
end
$$;

comment on function private.track_click(text) is 'A link of a message was followed: where it leads, null if it is none of ours. The first is on the timeline.';

create function private.track_unsubscribe(p_token text, p_is_post boolean) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
  page constant text := nullif(private.setting('campaigns.unsubscribe_page') #>> '{}', '');
  message uuid := (select t.communication_id from private.track_read('unsubscribe', p_token) t);
begin
  if not exists (select from public.communications c where c.id = message) then
    return '{"found": false}';
  end if;

  -- What only looks at a link, as mail scanners do, is not to unsubscribe anybody who has a page to say so on.
  if not p_is_post and page is not null then
    return jsonb_build_object('found', true, 'page', page);
  end if;

  perform private.track_hear(message, '{"withdrawn": "marketing", "source": "unsubscribe"}');

  update public.campaign_recipients r set unsubscribed_at = clock_timestamp() where r.communication_id = message and r.unsubscribed_at is null;

  return '{"found": true}';
end
$$;

comment on function private.track_unsubscribe(text, boolean) is 'The person wants no more campaigns on this channel: {found, page}. By POST it is done (RFC 8058); by GET only where there is no page to ask on, which is answered otherwise.';

-- Grants

revoke all on private.campaign_links, private.track_key from public, anon, authenticated, service_role;

revoke all on function
  private.track_token(text, uuid, integer),
  private.track_read(text, text),
  private.track_base(),
  private.track_hear(uuid, jsonb),
  private.track_open(text),
  private.track_click(text),
  private.track_unsubscribe(text, boolean)
  from public, anon, authenticated, service_role;

grant execute on function
  private.track_open(text),
  private.track_click(text),
  private.track_unsubscribe(text, boolean)
  to service_role;

-- This module's settings

select
  private.define_setting('campaigns.unsubscribe_page', '""', 'url', 'Page of the frontend to which the link in an e-mail leads; it posts to the address that it is given. Without one the link itself unsubscribes'),
  private.define_setting('security.rate_limit.track_per_minute', '1200', 'integer', 'Opens, clicks and unsubscriptions per minute and network; 0 is no limit', 0, 1000000);
