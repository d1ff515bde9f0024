-- Retention: what has been kept long enough goes in chunks, what is wanted still stays, and 0 keeps for ever.

begin;

select no_plan();

create temp table people on commit drop as select tests.create_user('admin') as admin, tests.create_user('counselor', 'Keep A') as counselor;

create temp table given on commit drop as
select gen_random_uuid() as old, gen_random_uuid() as fresh, gen_random_uuid() as merged, gen_random_uuid() as note, gen_random_uuid() as contact,
  gen_random_uuid() as own, gen_random_uuid() as live;

alter table public.leads disable trigger route_new_lead;

-- The rows of other files are not ours to count.
create function pg_temp.purge(p_limit integer default 200) returns jsonb language plpgsql as $$
declare
  total jsonb := '{}';
  purged jsonb;
begin
  for i in 1..50 loop
    purged := private.retention_purge(p_limit);

    exit when purged = '{}';

    total := private.add_counts(total, purged);
  end loop;

  return total;
end
$$;

-- For ever

update public.system_settings set value = '0' where key like 'retention.%';

insert into public.leads (id, name, assigned_to, deleted_at)
select x.id, x.name, people.counselor, now() - x.age
from given, people, lateral (values (old, 'Keepsake Old', interval '91 days'), (fresh, 'Keepsake Fresh', interval '89 days')) x (id, name, age);

insert into public.leads (id, name, assigned_to, deleted_at, merged_into) select merged, 'Keepsake Merged', counselor, now() - interval '2 years', fresh from given, people;

insert into public.contacts (id, name, lead_id, assigned_to) select own, 'Keepsake Father', null, counselor from given, people;

insert into public.contacts (id, name, assigned_to, deleted_at) select contact, 'Keepsake Contact', counselor, now() - interval '91 days' from given, people;

insert into public.notes (id, lead_id, content) select note, old, 'Keepsake note' from given;

insert into storage.objects (bucket_id, name, metadata) select 'attachments', 'notes/' || note || '/keep.pdf', '{"size": 1}' from given;

insert into private.jobs_dead (id, kind, payload, provider, priority, attempts, max_attempts, created_at, died_at)
values (gen_random_uuid(), 'keep.old', '{}', 'none', 0, 1, 1, now(), now() - interval '91 days'), (gen_random_uuid(), 'keep.fresh', '{}', 'none', 0, 1, 1, now(), now() - interval '89 days');

insert into public.notifications (user_id, title, is_read, read_at, created_at)
select counselor, x.title, x.read_at is not null, x.read_at, now() - interval '100 days'
from people, (values ('Keep old', now() - interval '91 days'), ('Keep fresh', now() - interval '89 days'), ('Keep unread', null)) x (title, read_at);

insert into public.exports (created_by, list, filters, columns, status, finished_at, storage_path, expires_at)
select counselor, 'leads', '{"name": "keep"}', '{name}', x.status, now() - x.age, x.path, now()
from people, (values ('expired', interval '91 days', null), ('failed', interval '91 days', null), ('expired', interval '89 days', null), ('done', interval '91 days', 'keep.csv')) x (status, age, path);

select is(private.retention_purge(), '{}', '0 keeps everything for ever');

-- Rows that were deleted

update public.system_settings set value = '90' where key = 'retention.deleted_days';

select ok((pg_temp.purge() ->> 'leads')::int >= 1, 'a lead that was deleted long enough ago is purged');

select set_eq($$select name from public.leads where name like 'Keepsake%'$$, $$values ('Keepsake Fresh'), ('Keepsake Merged')$$, 'one deleted since is not, nor one that unmerge() may want');

select is_empty('select from public.notes n, given g where n.id = g.note', 'what hangs on it goes with it');

select isnt_empty(
  $$select from private.jobs j, given g where j.kind = 'files.remove' and j.payload -> 'note_ids' ? g.note::text$$, 'and the worker is to remove the files'
);

select results_eq(
  $$select f.name from given g, private.files_to_remove(array[g.note], null, null) f$$, $$select 'notes/' || note || '/keep.pdf' from given$$, 'which it finds'
);

create function pg_temp.files_read() returns bigint language sql as $$
  select s.seq_tup_read + coalesce(s.idx_tup_fetch, 0) from pg_stat_xact_all_tables s where s.relid = 'storage.objects'::regclass
$$;

insert into storage.objects (bucket_id, name) select 'attachments', 'notes/' || gen_random_uuid() || '/keep.pdf' from generate_series(1, 500);

set local enable_seqscan = off;

create temp table read_before on commit drop as select pg_temp.files_read() as files;

select is((select count(*) from private.files_to_remove(array(select gen_random_uuid() from generate_series(1, 20)), null, null)), 0::bigint, 'it finds none of notes without any');

select cmp_ok(pg_temp.files_read() - (select files from read_before), '<', 20::bigint, 'and reads no files of others for it');

reset enable_seqscan;

select is_empty(
  $$select from public.audit_logs a, given g, jsonb_each_text(coalesce(a.before, '{}') || coalesce(a.after, '{}')) v
    where a.resource = 'leads' and a.record_id = g.old::text and v.value <> '[erased]'$$,
  'the trail keeps facts and no words of it'
);

select isnt_empty($$select from public.audit_logs a, given g where a.resource = 'leads' and a.record_id = g.fresh::text and a.after ->> 'name' = 'Keepsake Fresh'$$, 'of others it keeps both');

select is((select count(*)::int from public.contacts c, given g where c.id in (g.contact, g.own)), 1, 'a deleted contact goes too, a live one stays');

select isnt_empty($$select from public.audit_logs where action = 'purge' and resource = 'retention' and (after ->> 'leads')::int >= 1$$, 'how many went is an entry');

-- What a merge moved

create temp table merged on commit drop as select gen_random_uuid() as target, gen_random_uuid() as source, gen_random_uuid() as note;

grant select on merged to public;

insert into public.leads (id, name, assigned_to) select l.id, 'Keep merged', p.counselor from merged m, people p, unnest(array[m.target, m.source]) l (id);

insert into public.notes (id, lead_id, author_id, content) select m.note, m.source, p.counselor, 'Keepsake of a merge' from merged m, people p;

select tests.authenticate_as((select admin from people));

select isnt_empty('select public.merge_leads(target, array[source]) from merged', 'two leads are merged');

select tests.clear_authentication();

update public.notes n set deleted_at = now() - interval '91 days' from merged m where n.id = m.note;

select pg_temp.purge();

select is_empty($$select from private.lead_merge_rows r where r.before::text ~ 'Keepsake of a merge' or r.after::text ~ 'Keepsake of a merge'$$, 'what is purged is not remembered by a merge that moved it');

select tests.authenticate_as((select admin from people));

select isnt_empty('select public.unmerge(m.id) from public.lead_merges m join merged x on x.target = m.target_id', 'and the merge can be taken apart');

select is((select count(*) from public.leads l, merged m where l.id = m.source), 1::bigint, 'the rest comes back');

select tests.clear_authentication();

-- In chunks

insert into public.tasks (title, assigned_to, deleted_at) select 'Keepsake', counselor, now() - interval '91 days' from people, generate_series(1, 5);

select is((private.retention_purge(2) ->> 'tasks')::int, 2, 'a chunk is as large as it is to be');

select ok((pg_temp.purge(2) ->> 'tasks')::int >= 3, 'and the next ones take the rest');

-- A live message of a live lead that names a deleted contact

insert into public.leads (id, name, assigned_to) select live, 'Keepsake Live', counselor from given, people;

insert into public.contacts (id, name, assigned_to) select old, 'Keepsake Shared', counselor from given, people;

insert into public.communications (lead_id, contact_id, user_id, type, content) select live, old, counselor, 'sms', 'Keepsake live' from given, people;

update public.contacts set deleted_at = now() - interval '91 days' where id = (select old from given);

select ok((pg_temp.purge() ->> 'contacts')::int >= 1, 'a contact is purged');

select results_eq($$select contact_id from public.communications where content = 'Keepsake live'$$, 'values (null::uuid)', 'and the lead''s message with it stays');

-- Imports

insert into public.imports (created_by, storage_path, file_name, format, size_bytes, status, updated_at)
select counselor, counselor || '/' || x.status, x.status, 'csv', 1, x.status, now() - interval '31 days'
from people, unnest(array['committed', 'undone', 'failed', 'checked', 'stopped', 'reading', 'committing']) x (status);

insert into public.imports (created_by, storage_path, file_name, format, size_bytes, status, updated_at)
select counselor, counselor || '/fresh', 'fresh', 'csv', 1, 'committed', now() - interval '29 days' from people;

insert into private.import_rows (import_id, row_no, target_id, version_after, email, external_id, decision, outcome, cells, fields, before)
select i.id, n, gen_random_uuid(), 3, 'keep@example.test', 'ref', 'enquiry', 'enquiry', '{Keepsake}', '{"name": "Keepsake"}', '{"name": "Keepsake before"}'
from public.imports i, people, generate_series(1, 60) n
where i.created_by = people.counselor;

insert into storage.objects (bucket_id, name, created_at)
select 'imports', x.name, now() - x.age
from people, lateral (values (counselor || '/committed', interval '31 days'), (counselor || '/orphan', interval '31 days'), (counselor || '/young', interval '1 day')) x (name, age);

update public.system_settings set value = '30' where key = 'retention.import_days';

select ok((pg_temp.purge(1) ->> 'import_rows')::int >= 300, 'rows of imports that ended go');

select results_eq(
  $$select i.file_name, i.status, i.failure, i.pruned_at is not null, count(r), count(r) filter (where r.cells = '{}')
    from public.imports i join people p on i.created_by = p.counselor left join private.import_rows r on r.import_id = i.id
    group by i.id order by i.file_name collate "C"$$,
  $$values ('checked', 'failed', 'import_abandoned', true, 0::bigint, 0::bigint), ('committed', 'committed', null, true, 60, 60), ('committing', 'committing', null, false, 60, 0),
    ('failed', 'failed', null, true, 0, 0), ('fresh', 'committed', null, false, 60, 0), ('reading', 'reading', null, false, 60, 0),
    ('stopped', 'committed', 'import_abandoned', true, 60, 60), ('undone', 'undone', null, true, 0, 0)$$,
  'those of one that runs or is young stay, and one that nobody went on with has ended'
);

select results_eq(
  $$select distinct r.email, r.fields, r.target_id is not null, r.version_after, r.external_id, r.before, r.outcome
    from private.import_rows r join public.imports i on i.id = r.import_id where i.file_name = 'committed' and i.created_by = (select counselor from people)$$,
  $$values (null::text, null::jsonb, true, 3::bigint, 'ref', '{"name": "Keepsake before"}'::jsonb, 'enquiry')$$, 'of a committed one what an undo goes by is kept'
);

select set_eq(
  $$select regexp_replace(f.name, '^.*/', '')
    from people p
    cross join lateral private.files_to_remove(null, array(select i.id from public.imports i where i.created_by = p.counselor), now() - interval '30 days') f
    where f.name like p.counselor || '/%'$$,
  $$values ('committed'), ('orphan')$$, 'their files go, and uploads that became no import'
);

-- What points at what is purged

select is_empty(
  $$select k.conrelid::regclass::text || '.' || k.conname from pg_constraint k join private.soft_deletable s on k.confrelid = to_regclass('public.' || s.table_name)
    where k.contype = 'f' and k.confdeltype not in ('c', 'n')$$,
  'lets it go'
);

-- The rest

update public.system_settings set value = '90' where key in ('retention.export_days', 'retention.dead_job_days', 'retention.read_notification_days');

select ok(pg_temp.purge() ?& array['exports', 'jobs_dead', 'notifications'], 'exports, dead jobs and read notifications end');

select results_eq($$select status from public.exports e, people p where e.created_by = p.counselor order by status$$, $$values ('done'), ('expired')$$, 'an export whose file is there does not');

select set_eq($$select kind from private.jobs_dead where kind like 'keep.%'$$, $$values ('keep.fresh')$$, 'nor a job that died since');

select set_eq($$select title from public.notifications where title like 'Keep %'$$, $$values ('Keep fresh'), ('Keep unread')$$, 'nor a notification that was read since, or not at all');

-- Timers of SLA

insert into public.sla_policies (id, name, kind, source, target_minutes) select gen_random_uuid(), k, k, 'Keep', 60 from unnest('{follow_up,first_response}'::text[]) k;

insert into public.sla_timers (lead_id, policy_id, kind, started_at, due_at, met_at, cancelled_at, next_at)
select g.fresh, p.id, p.kind, t.begun, t.begun + interval '1 hour', t.met, t.cancelled, case when num_nonnulls(t.met, t.cancelled) = 0 then t.begun + interval '1 hour' end
from given g, public.sla_policies p, (values
  (now() - interval '500 days', now() - interval '500 days' + interval '1 minute', null), (now() - interval '450 days', null, now() - interval '440 days'),
  (now() - interval '430 days', now() - interval '430 days' + interval '1 minute', null), (now() - interval '420 days', null::timestamptz, null::timestamptz)
) t (begun, met, cancelled)
where p.source = 'Keep' and (p.kind = 'follow_up' or t.begun < now() - interval '499 days');

update public.sla_timers set met_at = now() - interval '1 day', next_at = null, breached_at = due_at where lead_id = (select fresh from given) and started_at = now() - interval '430 days';

update public.system_settings set value = '400' where key = 'retention.sla_timer_days';

select is((pg_temp.purge() ->> 'sla_timers')::integer, 2, 'promises of a next step that were kept or withdrawn long ago end');

select results_eq(
  $$select t.kind, t.met_at is not null from public.sla_timers t, given g where t.lead_id = g.fresh order by t.started_at$$,
  $$values ('first_response', true), ('follow_up', true), ('follow_up', false)$$, 'one that runs does not, nor one that ended since, nor the first response, of which each lead has one'
);

select is(private.retention_purge(), '{}', 'then there is nothing left');

select isnt_empty($$select from private.job_schedules where kind = 'retention.purge' and is_enabled$$, 'it is done every hour');

select * from finish();

rollback;
