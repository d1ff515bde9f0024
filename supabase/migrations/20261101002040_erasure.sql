-- Erasure: a lead is removed for good, and nothing of the person stays.
--
-- What hangs on a lead is found in the catalogue, so that a table made tomorrow goes too. Files lie outside of
-- the transaction: the worker removes them, and is told ids alone. What remains is facts: that there was a row,
-- who did what to it and when, and that it was erased. What other people's rows say about the person in
-- free text cannot be known, and what a provider delivers again comes back as a new lead.

-- Indexes

create index lead_merges_of_source on public.lead_merges using gin (source_ids);

create index lead_merge_rows_of_row on private.lead_merge_rows ((key ->> 'id'));

create index lead_merge_rows_of_source on private.lead_merge_rows ((before ->> 'source_id')) where before ->> 'source_id' is not null;

create index communications_tell_of_leads on public.communications using gin ((channel_specific_data -> 'leads')) where channel_specific_data ? 'leads';

-- Functions

create function private.rows_with(p_table regclass, p_ids uuid[]) returns table (resource text, record_id uuid)
language plpgsql stable security definer set search_path = '' as $$
declare
  child record;
  found_ids uuid[];
begin
  return query
  select c.relname::text, i from pg_catalog.pg_class c cross join unnest(p_ids) i where c.oid = p_table;

  for child in
    select k.conrelid::regclass as name, a.attname as child_column
    from pg_catalog.pg_constraint k
    join pg_catalog.pg_attribute a on a.attrelid = k.conrelid and a.attnum = k.conkey[1]
    join pg_catalog.pg_attribute key on key.attrelid = k.conrelid and key.attname = 'id' and key.atttypid = 'uuid'::regtype and not key.attisdropped
    where k.contype = 'f' and k.confrelid = p_table and k.confdeltype = 'c' and cardinality(k.conkey) = 1 and k.conparentid = 0
  loop
    execute format('select array_agg(t.id) from %s t where t.%I = any ($1)', child.name, child.child_column) into found_ids using p_ids;

    if found_ids is not null then
      return query select r.resource, r.record_id from private.rows_with(child.name, found_ids) r;
    end if;
  end loop;
end
$$;

comment on function private.rows_with(regclass, uuid[]) is 'These rows and all that goes when they are deleted.';

create function private.merge_moments(p_lead_ids uuid[]) returns timestamptz[]
language plpgsql stable security definer set search_path = '' as $$
begin
  return array(
    select w.at
    from public.lead_merges m
    cross join lateral unnest(array[m.merged_at, m.unmerged_at]) w (at)
    where m.source_ids && p_lead_ids and w.at is not null
  );
end
$$;

comment on function private.merge_moments(uuid[]) is 'When these leads were merged into others and taken out again: what the audit trail says of those others then is theirs too.';

create function private.remove_rows(p_table text, p_ids uuid[]) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
  held record;
  records jsonb;
  notes uuid[];
  documents uuid[];
  reminders uuid[];
  removed text[];
begin
  -- What names these rows besides what it hangs on stays, and names them no more.
  for held in
    select s.table_name, h.holder_column, h.others
    from private.soft_deletable s
    cross join lateral private.holders_of(s.table_name) h
    where h.holder_table = p_table and h.others <> 'true'
  loop
    execute format('update public.%1$I x set %2$I = null where x.%2$I = any ($1) and not (%3$s)', held.table_name, held.holder_column, held.others) using p_ids;
  end loop;

  select jsonb_object_agg(r.resource, r.ids) into records
  from (
    select w.resource, jsonb_agg(distinct w.record_id) as ids
    from private.rows_with(format('public.%I', p_table)::regclass, p_ids) w
    group by w.resource
  ) r;

  notes := array(select jsonb_array_elements_text(records -> 'notes')::uuid);
  documents := array(select jsonb_array_elements_text(records -> 'documents')::uuid);
  reminders := array(select jsonb_array_elements_text(records -> 'reminders')::uuid);

  -- They say what the reminder said.
  delete from public.notifications n
  using public.reminders r
  where r.id = any (reminders) and n.user_id = r.agent_id and n.metadata ->> 'reminder_id' = r.id::text;

  delete from private.notification_outbox o
  using public.reminders r
  where r.id = any (reminders) and o.user_id = r.agent_id and o.metadata ->> 'reminder_id' = r.id::text;

  -- So does a merge that moved them, or what the timeline told of them.
  removed := array(select jsonb_array_elements_text(r.value) from jsonb_each(records) r);

  delete from private.lead_merge_rows m where m.key ->> 'id' = any (removed) or m.before ->> 'source_id' = any (removed);

  if p_table = 'leads' then
    delete from public.lead_merges m where m.source_ids && p_ids;

    delete from private.batch_leads b where b.target_id = any (p_ids);
  end if;

  execute format('delete from public.%I x where x.id = any ($1)', p_table) using p_ids;

  if exists (select from private.files_to_remove(notes, null, null, p_document_ids => documents)) then
    perform private.enqueue('files.remove', jsonb_strip_nulls(jsonb_build_object(
      'note_ids', nullif(to_jsonb(notes), '[]'), 'document_ids', nullif(to_jsonb(documents), '[]')
    )));
  end if;

  return coalesce(records, '{}');
end
$$;

comment on function private.remove_rows(text, uuid[]) is 'Deletes rows of a table of private.soft_deletable for good, with what hangs on them, and has their files removed. Answers what went: {table: [ids]}, for audit_erase().';

create function private.files_to_remove(
  p_note_ids uuid[],
  p_import_ids uuid[],
  p_uploads_before timestamptz,
  p_limit integer default 500,
  p_document_ids uuid[] default '{}'
)
returns table (bucket text, name text)
language plpgsql stable security definer set search_path = '' as $$
begin
  return query
  select o.bucket_id, o.name
  from (
    select f.bucket_id, f.name
    from unnest(p_note_ids) n
    cross join lateral (
      select o.bucket_id, o.name
      from storage.objects o
      -- In the order of Storage's index of names: by LIKE it would read every file for each note.
      where o.name ~>=~ ('notes/' || n || '/') and o.name ~<~ ('notes/' || n || '0')
      offset 0
    ) f
    where f.bucket_id = 'attachments' and not exists (select from public.notes x where x.id = n)
    union all
    select f.bucket_id, f.name
    from unnest(p_document_ids) d
    cross join lateral (
      select o.bucket_id, o.name from storage.objects o where o.name ~>=~ (d::text || '/') and o.name ~<~ (d::text || '0') offset 0
    ) f
    where f.bucket_id = 'documents' and not exists (select from public.document_versions v where v.storage_path = f.name and v.state <> 'refused')
    union all
    select o.bucket_id, o.name
    from public.imports i
    join storage.objects o on o.bucket_id = 'imports' and o.name in (i.storage_path, i.error_path)
    where i.id = any (p_import_ids) and i.status <> 'reading'
    union all
    -- What was uploaded and never begun.
    select o.bucket_id, o.name
    from storage.objects o
    where o.bucket_id = 'imports' and o.created_at < p_uploads_before
      and not exists (select from public.imports i where o.name in (i.storage_path, i.error_path))
    union all
    -- Of messages, what was never sent, and what belonged to one that is gone.
    select o.bucket_id, o.name
    from storage.objects o
    where o.bucket_id = 'messages' and o.created_at < p_uploads_before
      and not exists (select from public.communication_attachments a where a.path = o.name)
  ) o
  limit p_limit;
end
$$;

comment on function private.files_to_remove(uuid[], uuid[], timestamptz, integer, uuid[]) is 'Files of notes and documents that are gone, refused versions included, of imports that were read, and of uploads that became no import, as long as there are any: what the job files.remove works off.';

create function private.erase_from_imports(p_leads uuid[], p_emails text[], p_phones text[], p_references text[]) returns uuid[]
language plpgsql volatile security definer set search_path = '' as $$
declare
  imports uuid[] := array(select i.id from public.imports i);
  numbers text[] := array(select '%' || right(regexp_replace(p, '\D', '', 'g'), 10) || '%' from unnest(p_phones) p);
  addresses text[] := array(select private.like_pattern(e) from unnest(p_emails) e);
  touched uuid[];
begin
  with rows_of_person as materialized (
    select r.import_id, r.row_no
    from private.import_rows r
    where r.import_id = any (imports) and (r.email = any (p_emails) or r.phone = any (p_phones) or r.external_id = any (p_references))
      and (r.target_id is null or r.target_id = any (p_leads))
    union
    -- Rows that were never understood have their cells alone.
    select r.import_id, r.row_no
    from private.import_rows r
    where r.target_id is null and r.email is null and r.phone is null and r.cells <> '{}'
      and (
        lower(array_to_string(r.cells, ' ')) like any (addresses)
        or regexp_replace(array_to_string(r.cells, '|'), '[^0-9|]', '', 'g') like any (numbers)
      )
  ), blanked as (
    update private.import_rows r
    set cells = '{}', fields = null, before = null, email = null, phone = null, external_id = null, detail = null, target_id = null,
      outcome = case when r.outcome in ('created', 'enquiry', 'kept') then 'erased' else r.outcome end,
      -- What a commit has still before it says nothing about anybody any more.
      decision = case when r.outcome is null then 'invalid' else r.decision end,
      code = case when r.outcome is null then 'row_empty' else r.code end
    from rows_of_person p
    where r.import_id = p.import_id and r.row_no = p.row_no
    returning r.import_id
  )
  select array_agg(distinct b.import_id) into touched from blanked b;

  return coalesce(touched, '{}');
end
$$;

comment on function private.erase_from_imports(uuid[], text[], text[], text[]) is 'Empties the staged rows of a person, in whatever import; answers in which.';

create function private.erase_from_exports(p_emails text[], p_phones text[]) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
  patterns text[] := array(select private.like_pattern(v) from unnest(p_emails || p_phones) v);
  records jsonb;
begin
  -- Whom a file lists is not known: every one that is there ends now.
  update private.jobs j
  set run_at = now()
  from public.exports e
  where e.status = 'done' and j.kind = 'export.expire' and j.dedupe_key = e.id::text and j.lease is null;

  -- One that is being written may list them already: its end is set before it is done.
  update public.exports e set expires_at = now() where e.status = 'running' or (e.status = 'done' and e.expires_at > now());

  with asked_for as (
    update public.exports e set filters = '{}' where lower(e.filters::text) like any (patterns) returning e.list, e.id
  )
  select jsonb_object_agg(x.list, x.ids) into records from (select a.list, jsonb_agg(a.id) as ids from asked_for a group by a.list) x;

  return coalesce(records, '{}');
end
$$;

comment on function private.erase_from_exports(text[], text[]) is 'Lets every export file expire, and takes a person''s address out of filters; answers of which exports: {list: [ids]}.';

create function private.add_records(p_one jsonb, p_other jsonb) returns jsonb
language sql immutable parallel safe set search_path = '' as $$
  select p_one || coalesce(jsonb_object_agg(o.key, coalesce(p_one -> o.key, '[]') || o.value), '{}') from jsonb_each(p_other) o
$$;

comment on function private.add_records(jsonb, jsonb) is 'Two lists {table: [ids]} as one.';

create function private.lead_erase(p_lead text) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
  lead public.leads;
  ids uuid[];
  emails text[];
  phones text[];
  refs text[];
  child record;
  child_ids uuid[];
  records jsonb := '{}';
  imports uuid[];
  moments timestamptz[];
begin
  perform private.require_permission('leads.erase');

  -- Locked before anything else of it is read: who merges it, or takes a merge of it apart, has ended by then or waits.
  select * into lead
  from public.leads l
  where l.id = private.lead_by_key(p_lead)
    and (private.gate_all() is not null or l.team_id = any (private.gate_team()) or l.assigned_to = private.gate_own())
  for update;

  if lead.id is null then
    perform private.fail('lead_not_found', left(p_lead, 80));
  end if;

  if lead.merged_into is not null then
    perform private.fail('lead_is_merged', lead.merged_into::text);
  end if;

  -- What was merged into it is the same person.
  with recursive same as (
    select lead.id as id
    union
    select l.id from public.leads l join same s on l.merged_into = s.id
  )
  select array_agg(s.id order by s.id) into ids from same s;

  perform from public.leads l where l.id = any (ids) order by l.id for update;

  select array_agg(distinct a.email) filter (where a.email is not null), array_agg(distinct a.phone) filter (where a.phone is not null) into emails, phones
  from (
    select l.email, l.phone from public.leads l where l.id = any (ids)
    union all
    select case i.kind when 'email' then i.value end, case i.kind when 'phone' then i.value end from public.lead_identities i where i.lead_id = any (ids)
    union all
    select c.email, c.phone from public.contacts c where c.lead_id = any (ids)
    union all
    select s.email, s.phone from public.students s where s.lead_id = any (ids)
  ) a;

  refs := array(select e.external_id from public.lead_enquiries e where e.lead_id = any (ids) and e.external_id is not null);

  records := private.add_records(records, jsonb_build_object('lead_identities', (
    select coalesce(jsonb_agg(distinct a.record_id), '[]')
    from public.audit_logs a
    where a.resource = 'lead_identities' and coalesce(a.after, a.before) ->> 'lead_id' = any (ids::text[])
  )));

  moments := private.merge_moments(ids);

  -- Contacts, students and deals would outlive their lead; they go with the person.
  for child in
    select c.child_column, t.relname::text as name
    from private.lead_children() c
    join pg_catalog.pg_class t on t.oid = c.child
    join private.soft_deletable s on s.table_name = t.relname
  loop
    execute format('select array_agg(x.id) from public.%I x where x.%I = any ($1)', child.name, child.child_column) into child_ids using ids;

    if child_ids is not null then
      records := private.add_records(records, private.remove_rows(child.name, child_ids));
    end if;
  end loop;

  -- What was said with them before anybody knew of a lead, and what people here were told of them.
  select array_agg(c.id) into child_ids
  from (
    select x.id from public.communications x where x.lead_id is null and (x.sender = any (emails || phones) or x.recipient = any (emails || phones))
    union
    select x.id from public.communications x where x.channel_specific_data ? 'leads' and x.channel_specific_data -> 'leads' ?| ids::text[]
  ) c;

  if child_ids is not null then
    records := private.add_records(records, private.remove_rows('communications', child_ids));
  end if;

  records := private.add_records(records, private.remove_rows('leads', ids));
  records := private.add_records(records, private.erase_from_exports(emails, phones));
  records := private.add_records(records, private.erase_from_reports(emails, phones));
  imports := private.erase_from_imports(ids, emails, phones, refs);

  if cardinality(imports) > 0 then
    perform private.enqueue('files.remove', jsonb_build_object('import_ids', to_jsonb(imports)));
  end if;

  perform private.audit_erase('leads', lead.id::text, records, moments);

  return jsonb_build_object('message', 'Lead erased for good', 'lead_id', lead.lead_id, 'id', lead.id, 'batch_id', null);
end
$$;

comment on function private.lead_erase(text) is 'Body of public.lead_delete(p_hard => true).';

-- Grants

revoke all on function
  private.rows_with(regclass, uuid[]),
  private.merge_moments(uuid[]),
  private.remove_rows(text, uuid[]),
  private.files_to_remove(uuid[], uuid[], timestamptz, integer, uuid[]),
  private.erase_from_imports(uuid[], text[], text[], text[]),
  private.erase_from_exports(text[], text[]),
  private.add_records(jsonb, jsonb),
  private.lead_erase(text)
  from public, anon, authenticated, service_role;

grant execute on function private.lead_erase(text) to authenticated;

grant execute on function private.files_to_remove(uuid[], uuid[], timestamptz, integer, uuid[]) to service_role;

-- This module's permission and error

insert into public.permissions (key, description) values
  ('leads.erase', 'Erase leads for good');

insert into public.error_codes (code, sqlstate, message, hint) values
  ('lead_is_merged', 'PT409', 'This lead was merged into another.', 'Erase that one, and this goes with it; or take the merge apart first.');
