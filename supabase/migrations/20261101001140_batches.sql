-- Batches: what is done to many leads at once, and taken back at once.
--
-- Bulk status, tags, assignment and deletion remember each lead before and after. An undo reverts what
-- nobody has changed since and names the rest. How a deleted lead takes along what hangs on it is in the module
-- soft_deletion; what is read through the lead is out of sight with it.

-- Tables

-- Before v1.0 there are no rows to check.
alter table public.leads
  add column deleted_by uuid,
  -- squawk-ignore constraint-missing-not-valid
  add constraint leads_deleted_by_needs_deleted_at check (deleted_by is null or deleted_at is not null);

comment on column public.leads.deleted_by is 'Who deleted it; null for the system. No foreign key: it is remembered beyond the account.';

create index leads_deleted on public.leads (deleted_at, id) where deleted_at is not null;

create table public.batches (
  id uuid primary key default private.uuid_v7(),
  kind text not null,
  created_by uuid references public.profiles (id) on delete set null,
  created_at timestamptz not null default now(),
  undone_by uuid references public.profiles (id) on delete set null,
  undone_at timestamptz,
  kept jsonb not null default '[]',
  constraint batches_kind_is_known check (kind in ('status', 'tags', 'assign', 'delete'))
);

comment on table public.batches is 'What was done to many leads at once, by whom, and whether it was undone. Seen by who did it and by scope all.';

comment on column public.batches.kept is 'What the undo left as it is, [{id, code}], as batch_undo() answered: for whom the answer did not reach.';

create index batches_of_person on public.batches (created_by, created_at desc);

create table private.batch_leads (
  batch_id uuid not null references public.batches (id) on delete cascade,
  target_id uuid not null,
  before jsonb not null,
  after jsonb,
  primary key (batch_id, target_id)
);

create index batch_leads_of_lead on private.batch_leads (target_id);

comment on table private.batch_leads is 'Each lead that a batch changed, as far as the batch touches it, before and after.';

comment on column private.batch_leads.target_id is 'The lead. No foreign key: the row does not follow a lead through a merge, it remembers.';

alter table public.lead_assignments
  -- squawk-ignore adding-foreign-key-constraint, constraint-missing-not-valid
  add constraint lead_assignments_batch_id_fkey foreign key (batch_id) references public.batches (id) on delete set null;

create index lead_assignments_of_batch on public.lead_assignments (batch_id) where batch_id is not null;

-- Policies

alter table public.batches enable row level security;

alter table private.batch_leads enable row level security;

create policy batches_read on public.batches for select to authenticated
  using ((select private.gate_all()) is not null or created_by = (select private.gate_own()));

comment on policy batches_read on public.batches is 'One''s own; scope all: every one.';

-- Triggers

create trigger mark_deleted before update of deleted_at on public.leads
  for each row when (old.deleted_at is distinct from new.deleted_at) execute function private.mark_deleted();

-- What a merged lead had goes to its target instead.
create trigger take_along after update of deleted_at on public.leads
  for each row when (old.deleted_at is distinct from new.deleted_at and old.merged_into is null and new.merged_into is null)
  execute function private.take_along();

insert into private.soft_deletable (table_name, label, people) values ('leads', 'name', '{assigned_to}');

-- Functions

create function private.batch_part(p_kind text, p_lead public.leads) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
begin
  return case p_kind
    when 'status' then jsonb_build_object('status', p_lead.status)
    when 'tags' then jsonb_build_object('tags', p_lead.tags)
    when 'assign' then jsonb_build_object('assigned_to', p_lead.assigned_to, 'team_id', p_lead.team_id)
    when 'delete' then jsonb_build_object('deleted_at', p_lead.deleted_at)
  end;
end
$$;

comment on function private.batch_part(text, public.leads) is 'What of a lead a batch of this kind touches.';

create function private.batch_permission(p_kind text) returns text
language plpgsql immutable set search_path = '' as $$
begin
  return case p_kind when 'assign' then 'leads.assign' when 'delete' then 'leads.delete' else 'leads.update' end;
end
$$;

comment on function private.batch_permission(text) is 'What a batch of this kind, and its undoing, needs.';

create function private.batch_begin(p_batch uuid, p_kind text, p_lead_ids uuid[]) returns void
language plpgsql volatile security definer set search_path = '' as $$
begin
  insert into public.batches (id, kind, created_by) values (p_batch, p_kind, private.gate_own());

  insert into private.batch_leads (batch_id, target_id, before)
  select p_batch, l.id, private.batch_part(p_kind, l) from public.leads l where l.id = any (p_lead_ids);
end
$$;

comment on function private.batch_begin(uuid, text, uuid[]) is 'Opens a batch over leads that the caller has locked and may change.';

create function private.batch_end(p_batch uuid) returns integer
language plpgsql volatile security definer set search_path = '' as $$
declare
  changed integer;
begin
  update private.batch_leads b
  set after = private.batch_part(k.kind, l)
  from public.batches k, public.leads l
  where b.batch_id = p_batch and k.id = b.batch_id and l.id = b.target_id;

  delete from private.batch_leads b where b.batch_id = p_batch and b.before = b.after;

  select count(*) into changed from private.batch_leads b where b.batch_id = p_batch;

  return changed;
end
$$;

comment on function private.batch_end(uuid) is 'Closes a batch: remembers what it left, forgets leads it did not change. Returns how many it changed.';

create function private.batch_targets(p_lead_ids uuid[], p_kind text) returns uuid[]
language plpgsql volatile security definer set search_path = '' as $$
begin
  perform private.require_permission(private.batch_permission(p_kind));

  if coalesce(cardinality(p_lead_ids), 0) not between 1 and 1000 then
    perform private.fail('argument_invalid', 'p_lead_ids takes 1 to 1000 ids');
  end if;

  -- In one order, so that two overlapping batches wait instead of deadlocking.
  return (
    select coalesce(array_agg(t.id), '{}')
    from (
      select l.id
      from public.leads l
      where l.id = any (p_lead_ids)
        and l.deleted_at is null
        and (private.gate_all() is not null or l.team_id = any (private.gate_team()) or l.assigned_to = private.gate_own())
      order by l.id
      for no key update
    ) t
  );
end
$$;

comment on function private.batch_targets(uuid[], text) is 'Locks the leads of a bulk call that the caller may see, after checking the permission of its kind.';

create function private.batch_answer(p_batch uuid, p_changed integer, p_asked uuid[], p_targets uuid[], p_refused jsonb) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
begin
  return jsonb_build_object(
    'batch_id', p_batch,
    'changed', p_changed,
    'unchanged', cardinality(p_targets) - p_changed - jsonb_array_length(p_refused),
    'refused', p_refused,
    'not_found', coalesce((select jsonb_agg(distinct i) from unnest(p_asked) i where i <> all (p_targets)), '[]')
  );
end
$$;

comment on function private.batch_answer(uuid, integer, uuid[], uuid[], jsonb) is 'The answer of every bulk call.';

create function private.lead_bulk_status(p_lead_ids uuid[], p_status text, p_reason text) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
  batch uuid := private.uuid_v7();
  targets uuid[] := private.batch_targets(p_lead_ids, 'status');
  refused jsonb := '[]';
  target uuid;
  detail text;
begin
  if nullif(btrim(p_status), '') is null then
    perform private.fail('argument_invalid', 'p_status');
  end if;

  if not exists (select from public.pipeline_stages s where s.key = lower(btrim(p_status))) then
    perform private.fail('stage_unknown', left(p_status, 80));
  end if;

  perform private.batch_begin(batch, 'status', targets);

  perform set_config('intake.reason', coalesce(p_reason, ''), true);

  foreach target in array targets loop
    begin
      update public.leads l set status = p_status where l.id = target;
    exception when sqlstate 'PT422' or sqlstate 'PT409' then
      get stacked diagnostics detail = pg_exception_detail;
      refused := refused || jsonb_build_object('id', target, 'code', split_part(detail, ':', 1));
    end;
  end loop;

  perform set_config('intake.reason', '', true);

  return private.batch_answer(batch, private.batch_end(batch), p_lead_ids, targets, refused);
end
$$;

comment on function private.lead_bulk_status(uuid[], text, text) is 'Body of public.lead_bulk_status().';

create function private.lead_bulk_tag(p_lead_ids uuid[], p_add text[], p_remove text[]) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
  batch uuid := private.uuid_v7();
  targets uuid[] := private.batch_targets(p_lead_ids, 'tags');
  added constant text[] := (select coalesce(array_agg(distinct btrim(t)), '{}') from unnest(p_add) t where btrim(t) <> '');
  removed constant text[] := (select coalesce(array_agg(distinct btrim(t)), '{}') from unnest(p_remove) t where btrim(t) <> '');
  refused jsonb;
begin
  if cardinality(added) + cardinality(removed) not between 1 and 50 or added && removed then
    perform private.fail('argument_invalid', 'p_add and p_remove take 1 to 50 tags, each in one of them');
  end if;

  if 100 < any (array(select length(t) from unnest(added) t)) then
    perform private.fail('argument_invalid', 'A tag takes up to 100 characters');
  end if;

  perform private.batch_begin(batch, 'tags', targets);

  select coalesce(jsonb_agg(jsonb_build_object('id', l.id, 'code', 'argument_invalid')), '[]') into refused
  from public.leads l
  where l.id = any (targets)
    and 50 < (select count(*) from (select unnest(l.tags) union select unnest(added) except select unnest(removed)) t);

  -- Tags stay in their order, new ones come last.
  update public.leads l
  set tags = n.tags
  from (
    select o.id,
      (select coalesce(array_agg(t order by i), '{}') from unnest(o.tags) with ordinality u (t, i) where t <> all (removed))
        || (select coalesce(array_agg(t order by t), '{}') from unnest(added) t where t <> all (o.tags)) as tags
    from public.leads o
    where o.id = any (targets) and not refused @> jsonb_build_array(jsonb_build_object('id', o.id))
  ) n
  where l.id = n.id and l.tags is distinct from n.tags;

  return private.batch_answer(batch, private.batch_end(batch), p_lead_ids, targets, refused);
end
$$;

comment on function private.lead_bulk_tag(uuid[], text[], text[]) is 'Body of public.lead_bulk_tag().';

create function private.lead_bulk_delete(p_lead_ids uuid[]) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
  batch uuid := private.uuid_v7();
  targets uuid[] := private.batch_targets(p_lead_ids, 'delete');
  target uuid;
begin
  perform private.batch_begin(batch, 'delete', targets);

  foreach target in array targets loop
    update public.leads l set deleted_at = clock_timestamp() where l.id = target;
  end loop;

  return private.batch_answer(batch, private.batch_end(batch), p_lead_ids, targets, '[]');
end
$$;

comment on function private.lead_bulk_delete(uuid[]) is 'Body of public.lead_bulk_delete().';

create function private.lead_by_key(p_lead text) returns uuid
language plpgsql stable set search_path = '' as $$
begin
  if p_lead ~ '^[0-9a-fA-F]{8}-([0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}$' then
    return p_lead::uuid;
  end if;

  return (select l.id from public.leads l where l.lead_id = upper(btrim(p_lead)));
end
$$;

comment on function private.lead_by_key(text) is 'Id of a lead by id or number, deleted or not, whosever it is: who asks looks up by index whether it is the caller''s.';

create function private.lead_restore(p_lead text) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
  lead public.leads;
begin
  perform private.require_permission('leads.delete');

  select * into lead
  from public.leads l
  where l.id = private.lead_by_key(p_lead)
    and l.deleted_at is not null
    and l.merged_into is null
    and (private.gate_all() is not null or l.team_id = any (private.gate_team()) or l.assigned_to = private.gate_own());

  if lead.id is null then
    perform private.fail('lead_not_found', left(p_lead, 80));
  end if;

  perform private.restore('leads', lead.id);

  return jsonb_build_object('message', 'Lead restored successfully', 'lead_id', lead.lead_id, 'id', lead.id);
end
$$;

comment on function private.lead_restore(text) is 'Body of public.lead_restore().';

create function private.batch_undo(p_batch_id uuid) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
  batch public.batches;
  entry record;
  reverted integer := 0;
  excepted jsonb := '[]';
  code text;
begin
  select * into batch
  from public.batches b
  where b.id = p_batch_id and (private.gate_all() is not null or b.created_by = private.gate_own())
  for update;

  if batch.id is null then
    perform private.fail('not_found', 'batch');
  end if;

  perform private.require_permission(private.batch_permission(batch.kind));

  if batch.undone_at is not null then
    perform private.fail('batch_is_undone');
  end if;

  perform set_config('intake.reason', 'Undone', true);

  perform set_config('intake.assignment', jsonb_build_object('method', 'manual', 'reason', 'Undone')::text, true);

  for entry in
    select b.target_id, b.before, b.after
    from private.batch_leads b
    where b.batch_id = p_batch_id
    order by b.target_id
  loop
    declare
      lead public.leads;
    begin
      select * into lead
      from public.leads l
      where l.id = entry.target_id
        and (private.gate_all() is not null or l.team_id = any (private.gate_team()) or l.assigned_to = private.gate_own())
      for no key update;

      code := case
        when lead.id is null then 'lead_not_found'
        when lead.merged_into is not null or (batch.kind <> 'delete' and lead.deleted_at is not null)
          or private.batch_part(batch.kind, lead) is distinct from entry.after then 'changed_since'
        when batch.kind = 'assign' and entry.before ->> 'assigned_to' is not null
          and not private.may_assign_to((entry.before ->> 'assigned_to')::uuid) then 'assignee_unavailable'
      end;

      if code is null then
        case batch.kind
          when 'delete' then update public.leads l set deleted_at = null where l.id = lead.id;
          when 'status' then update public.leads l set status = entry.before ->> 'status' where l.id = lead.id;
          when 'tags' then update public.leads l set tags = array(select jsonb_array_elements_text(entry.before -> 'tags')) where l.id = lead.id;
          when 'assign' then
            update public.leads l
            set assigned_to = (entry.before ->> 'assigned_to')::uuid, team_id = (entry.before ->> 'team_id')::uuid
            where l.id = lead.id;
        end case;

        reverted := reverted + 1;
      end if;
    exception when sqlstate 'PT422' or sqlstate 'PT409' or unique_violation then
      -- Meanwhile its stage does not lead back, its person has another lead, or its owner is gone.
      get stacked diagnostics code = pg_exception_detail;
      code := case sqlstate when '23505' then 'person_known' else split_part(code, ':', 1) end;
    end;

    if code is not null then
      excepted := excepted || jsonb_build_object('id', entry.target_id, 'code', code);
    end if;
  end loop;

  perform set_config('intake.reason', '', true);

  perform set_config('intake.assignment', '', true);

  update public.batches b set undone_at = now(), undone_by = private.gate_own(), kept = excepted where b.id = p_batch_id;

  return jsonb_build_object('batch_id', p_batch_id, 'reverted', reverted, 'kept', excepted);
end
$$;

comment on function private.batch_undo(uuid) is 'Body of public.batch_undo().';

-- RPCs

create function public.lead_bulk_status(p_lead_ids uuid[], p_status text, p_reason text default null) returns jsonb
language sql volatile security invoker set search_path = '' as $$
  select private.lead_bulk_status(p_lead_ids, p_status, p_reason);
$$;

comment on function public.lead_bulk_status(uuid[], text, text) is 'Moves 1 to 1000 leads to a stage. Answers {batch_id, changed, unchanged, refused[{id, code}], not_found[]}. Needs leads.update. Errors: permission_denied, argument_invalid, stage_unknown.';

create function public.lead_bulk_tag(p_lead_ids uuid[], p_add text[] default '{}', p_remove text[] default '{}') returns jsonb
language sql volatile security invoker set search_path = '' as $$
  select private.lead_bulk_tag(p_lead_ids, p_add, p_remove);
$$;

comment on function public.lead_bulk_tag(uuid[], text[], text[]) is 'Adds tags of up to 100 characters to and removes tags from 1 to 1000 leads; a lead that would have more than 50 is refused. Answers {batch_id, changed, unchanged, refused[{id, code}], not_found[]}. Needs leads.update. Errors: permission_denied, argument_invalid.';

create function public.lead_bulk_delete(p_lead_ids uuid[]) returns jsonb
language sql volatile security invoker set search_path = '' as $$
  select private.lead_bulk_delete(p_lead_ids);
$$;

comment on function public.lead_bulk_delete(uuid[]) is 'Takes 1 to 1000 leads, with the tasks, calls, reminders, notes and messages of each, out of everybody''s sight. Answers {batch_id, changed, unchanged, refused[], not_found[]}. Needs leads.delete. Errors: permission_denied, argument_invalid.';

create function public.lead_delete(p_id text, p_hard boolean default false) returns jsonb
language plpgsql volatile security invoker set search_path = '' as $$
declare
  target uuid;
  number text;
begin
  if p_hard then
    return private.lead_erase(p_id);
  end if;

  target := private.find_lead(p_id);
  number := (select l.lead_id from public.leads l where l.id = target);

  return jsonb_build_object(
    'message', 'Lead deleted successfully', 'lead_id', number, 'id', target,
    'batch_id', private.lead_bulk_delete(array[target]) -> 'batch_id'
  );
end
$$;

comment on function public.lead_delete(text, boolean) is 'Takes a lead (by id or number), with its tasks, calls, reminders, notes and messages, out of everybody''s sight. Answers {message, lead_id, id, batch_id}; lead_restore() or batch_undo() brings it back. With p_hard a lead, deleted or not, is erased for good, with its contacts, students and deals, its files and what the audit trail says of it: batch_id is null. Needs leads.delete, with p_hard leads.erase. Errors: lead_not_found, lead_is_merged, permission_denied. Answers D2-006, D4-025.';

create function public.lead_restore(p_id text) returns jsonb
language sql volatile security invoker set search_path = '' as $$
  select private.lead_restore(p_id);
$$;

comment on function public.lead_restore(text) is 'Brings a deleted lead (by id or number) back with what was deleted together with it. Answers {message, lead_id, id}. Needs leads.delete. Errors: lead_not_found, person_known, permission_denied.';

create function public.batch_undo(p_batch_id uuid) returns jsonb
language sql volatile security invoker set search_path = '' as $$
  select private.batch_undo(p_batch_id);
$$;

comment on function public.batch_undo(uuid) is 'Reverts a bulk call of one''s own (scope all: of anybody) for every lead nobody has changed since, once. Answers {batch_id, reverted, kept[{id, code}]}; kept stays in batches. Errors: not_found, batch_is_undone, permission_denied.';

-- Grants

revoke all on public.batches from anon, authenticated, service_role;

revoke all on private.batch_leads from public, anon, authenticated, service_role;

grant select on public.batches to authenticated;

grant select, insert, update, delete on public.batches to service_role;

revoke all on function private.batch_part(text, public.leads) from public, anon, authenticated, service_role;

revoke all on function private.batch_permission(text) from public, anon, authenticated, service_role;

revoke all on function private.batch_begin(uuid, text, uuid[]) from public, anon, authenticated, service_role;

revoke all on function private.batch_end(uuid) from public, anon, authenticated, service_role;

revoke all on function private.batch_targets(uuid[], text) from public, anon, authenticated, service_role;

revoke all on function private.batch_answer(uuid, integer, uuid[], uuid[], jsonb) from public, anon, authenticated, service_role;

revoke all on function private.lead_bulk_status(uuid[], text, text) from public, anon, authenticated, service_role;

grant execute on function private.lead_bulk_status(uuid[], text, text) to authenticated;

revoke all on function private.lead_bulk_tag(uuid[], text[], text[]) from public, anon, authenticated, service_role;

grant execute on function private.lead_bulk_tag(uuid[], text[], text[]) to authenticated;

revoke all on function private.lead_bulk_delete(uuid[]) from public, anon, authenticated, service_role;

grant execute on function private.lead_bulk_delete(uuid[]) to authenticated;

revoke all on function private.lead_by_key(text) from public, anon, authenticated, service_role;

revoke all on function private.lead_restore(text) from public, anon, authenticated, service_role;

grant execute on function private.lead_restore(text) to authenticated;

revoke all on function private.batch_undo(uuid) from public, anon, authenticated, service_role;

grant execute on function private.batch_undo(uuid) to authenticated;

revoke all on function public.lead_bulk_status(uuid[], text, text) from public, anon, authenticated, service_role;

grant execute on function public.lead_bulk_status(uuid[], text, text) to authenticated;

revoke all on function public.lead_bulk_tag(uuid[], text[], text[]) from public, anon, authenticated, service_role;

grant execute on function public.lead_bulk_tag(uuid[], text[], text[]) to authenticated;

revoke all on function public.lead_bulk_delete(uuid[]) from public, anon, authenticated, service_role;

grant execute on function public.lead_bulk_delete(uuid[]) to authenticated;

revoke all on function public.lead_restore(text) from public, anon, authenticated, service_role;

grant execute on function public.lead_restore(text) to authenticated;

revoke all on function public.batch_undo(uuid) from public, anon, authenticated, service_role;

grant execute on function public.batch_undo(uuid) to authenticated;

revoke all on function public.lead_delete(text, boolean) from public, anon, authenticated, service_role;

grant execute on function public.lead_delete(text, boolean) to authenticated;

-- This module's errors

insert into public.error_codes (code, sqlstate, message, hint) values
  ('batch_is_undone', 'PT409', 'This batch has been undone already.', 'What the undo left as it is stands in kept of batches.');
