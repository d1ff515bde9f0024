-- Duplicates: candidates with reasons, a merge that loses nothing, and its undoing byte for byte.

begin;

select no_plan();

create temp table people on commit drop as
select tests.create_user('admin') as admin, tests.create_user('manager', 'Duplicates A') as manager,
  tests.create_user('counselor', 'Duplicates A') as counselor, tests.create_user('counselor', 'Duplicates B') as stranger;

create temp table given on commit drop as
select gen_random_uuid() as target, gen_random_uuid() as source, gen_random_uuid() as third, gen_random_uuid() as strangers;

grant select on people, given to public;

alter table public.leads disable trigger route_new_lead;

insert into public.leads (id, name, email, phone, course, organization, assigned_to, custom_fields, tags, value)
select g.target, 'Asha Rao', 'asha@duplicates.test', null, 'Cardiology', null, p.counselor, '{"a": 1}'::jsonb, array['one'], 100 from given g, people p
union all select g.source, 'Asha  Rao', 'asha.rao@duplicates.test', '+919833333333', 'Cardiology', 'AIIMS', p.counselor, '{"a": 2, "b": 3}', array['two'], 0 from given g, people p
union all select g.third, 'Asha R', null, '+919844444444', null, null, p.counselor, '{}', '{}', 0 from given g, people p
union all select g.strangers, 'Asha Rao', null, '+919855555555', 'Cardiology', null, p.stranger, '{}', '{}', 0 from given g, people p;

insert into public.lead_identities (lead_id, kind, value) select source, 'phone', '+919866666666' from given;

update public.leads l set status = 'qualified' from given g where l.id = g.source;

-- Candidates

select tests.authenticate_as((select counselor from people));

select is(
  (select array_agg(c ->> 'lead_id' order by c ->> 'lead_id') from jsonb_array_elements(public.find_duplicates('{"name": "Asha Rao", "course": "cardiology"}')) c),
  (select array_agg(l.lead_id order by l.lead_id) from public.leads l, given g where l.id in (g.target, g.source)),
  'a similar name with one weak key beside it is a candidate, of the leads one may see');

select is(public.find_duplicates('{"name": "Asha Rao"}'), '[]', 'a name alone is none');

select results_eq(
  $$select c ->> 'id', c -> 'reasons', (c ->> 'score')::integer >= 60 from jsonb_array_elements(public.find_duplicates('{"email": " ASHA@duplicates.test"}')) c$$,
  $$select target::text, '["same e-mail"]'::jsonb, true from given$$, 'the same e-mail is one, with the reason');

select is((select c ->> 'id' from jsonb_array_elements(public.find_duplicates('{"phone": "98666 66666"}')) c), (select source::text from given), 'so is a further address');

select is(public.find_duplicates('{"phone": "+919855555555"}'), '[]', 'another counselor''s lead is not told of');

select is(
  (select count(*) from jsonb_array_elements(public.find_duplicates(jsonb_build_object('id', (select target from given), 'email', 'asha@duplicates.test'))) c), 0::bigint,
  'a lead is no duplicate of itself');

select throws_ok($$select public.find_duplicates('[]')$$, 'PT422', null, 'a person is an object');

select throws_ok($$select public.merge_leads((select target from given), array[(select source from given)])$$, '42501', null, 'a counselor does not merge');

select tests.authenticate_as((select stranger from people));

select throws_ok($$select public.merge_preview((select target from given), array[(select source from given)])$$, '42501', null, 'nor looks at what a merge would do');

-- A preview

create temp table before_merge on commit drop as select 1 as dummy;

select tests.authenticate_as((select manager from people));

select throws_ok($$select public.merge_leads((select target from given), array[(select strangers from given)])$$, 'PT404', null, 'nobody merges what they do not see');

select throws_ok($$select public.merge_leads((select target from given), array[(select target from given)])$$, 'PT422', null, 'a lead is not merged into itself');

select throws_ok($$select public.merge_leads((select target from given), '{}')$$, 'PT422', null, 'nor without a source');

select throws_ok($$select public.merge_leads((select target from given), array[(select source from given)], '{"status": "x"}')$$, 'PT422', null, 'the stage is not a choice');

create temp table preview on commit drop as
select public.merge_preview((select target from given), array[(select source from given)]) as answer;

select results_eq(
  $$select f ->> 'field', f ->> 'result', (f ->> 'is_conflict')::boolean from preview, jsonb_array_elements(answer -> 'fields') f where f ->> 'field' in ('email', 'phone', 'organization') order by 1$$,
  $$values ('email', 'asha@duplicates.test', true), ('organization', 'AIIMS', false), ('phone', '+919833333333', false)$$,
  'a preview says what each field would be, and where the leads differ');

select ok((select (answer -> 'children' ->> 'lead_enquiries')::integer = 1 and (answer -> 'children' ->> 'lead_identities')::integer = 1 from preview), 'and how much would move');

select tests.clear_authentication();

select is((select count(*) from public.leads l, given g where l.id in (g.target, g.source) and l.deleted_at is null), 2::bigint, 'and changes nothing');

-- A merge

create function pg_temp.rows() returns table (entity text, body text) language sql as $$
  select 'lead', l::text from public.leads l, given g where l.id in (g.target, g.source, g.third)
  union all select 'activity', a::text from public.activities a, given g where a.lead_id in (g.target, g.source, g.third)
  union all select 'enquiry', e::text from public.lead_enquiries e, given g where e.lead_id in (g.target, g.source, g.third)
  union all select 'identity', i::text from public.lead_identities i, given g where i.lead_id in (g.target, g.source, g.third)
  union all select 'history', h::text from public.lead_history h, given g where h.lead_id in (g.target, g.source, g.third)
  order by 1, 2;
$$;

create temp table before_rows on commit drop as select * from pg_temp.rows();

select tests.authenticate_as((select manager from people));

create temp table merged on commit drop as
select public.merge_leads((select target from given), (select array[source, third] from given), (select jsonb_build_object('course', source) from given)) as answer;

grant select on merged to public;

select results_eq(
  $$select l.name, l.email, l.phone, l.organization, l.value, l.tags, l.custom_fields, l.enquiries_count, l.max_stage, l.status from public.leads l join given g on l.id = g.target$$,
  $$values ('Asha Rao', 'asha@duplicates.test', '+919833333333', 'AIIMS', 100.00, array['one', 'two'], '{"a": 1, "b": 3}'::jsonb, 3, 3::smallint, 'new')$$,
  'the target keeps its own, takes what it lacks, and keeps its stage');

select is_empty($$select from public.leads l, given g where l.id in (g.source, g.third)$$, 'the sources are out of sight');

select is((select count(*) from public.lead_enquiries e join given g on e.lead_id = g.target), 3::bigint, 'every enquiry is the target''s');

select is(
  (select array_agg(i.value order by i.value) from public.lead_identities i join given g on i.lead_id = g.target),
  array['+919844444444', '+919866666666', 'asha.rao@duplicates.test'], 'and so is every address');

select isnt_empty($$select from public.lead_merges m join given g on m.target_id = g.target and m.unmerged_at is null$$, 'the merge is on record');

select tests.clear_authentication();

select is((select i.id from private.ingest_lead('Website', 'dup-1', '{"email": "asha.rao@duplicates.test"}') i), (select target from given), 'a later enquiry from a source''s address is the target''s');

delete from public.lead_enquiries where external_id = 'dup-1';

delete from public.activities where type = 'enquiry';

update public.leads l set enquiries_count = 3 from given g where l.id = g.target;

-- Undone: the target was touched by the enquiry, so it is named and keeps its changes.

select tests.authenticate_as((select stranger from people));

select throws_ok($$select public.unmerge((select (answer ->> 'merge_id')::uuid from merged))$$, '42501', null, 'a stranger undoes nothing');

select tests.authenticate_as((select manager from people));

create temp table undone on commit drop as select public.unmerge((select (answer ->> 'merge_id')::uuid from merged)) as answer;

select is((select answer #>> '{changed_since,0,table}' from undone), 'leads', 'what was changed since is named');

select throws_ok($$select public.unmerge((select (answer ->> 'merge_id')::uuid from merged))$$, 'PT409', null, 'a merge is undone once');

select tests.clear_authentication();

select is_empty(
  $$select * from before_rows except select * from pg_temp.rows() except select 'lead', l::text from public.leads l$$ || ' except select entity, body from before_rows where body like ''%asha@duplicates.test%''',
  'whatever nobody touched is as it was');

-- Untouched: byte for byte.

create temp table second_before on commit drop as select * from pg_temp.rows();

select tests.authenticate_as((select manager from people));

select public.unmerge((public.merge_leads((select source from given), (select array[target, third] from given)) ->> 'merge_id')::uuid);

select tests.clear_authentication();

select results_eq('select * from pg_temp.rows()', 'select * from second_before', 'a merge undone at once leaves every row byte for byte');

-- Two merges of one lead, undone in the order in which they were made: each takes along what it brought.

create function pg_temp.leads() returns table (lead jsonb) language sql as $$
  select to_jsonb(l) - '{version,updated_at,last_enquiry_at}'::text[] from public.leads l, given g where l.id in (g.target, g.source, g.third) order by l.id;
$$;

update public.leads l set tags = '{hot}', course = 'Nursing', custom_fields = '{"c": 4}' from given g where l.id = g.third;

update public.leads l set course = null from given g where l.id = g.target;

create temp table deal on commit drop as
select gen_random_uuid() as id;

grant select on deal to public;

insert into public.deals (id, lead_id, name) select deal.id, given.source, 'Deal of the source' from deal, given;

update public.leads l set deal_id = deal.id, converted_at = now() from deal, given g where l.id = g.source;

create temp table third_before on commit drop as select * from pg_temp.leads();

select tests.authenticate_as((select manager from people));

create temp table two_merges on commit drop as
select (public.merge_leads((select target from given), array[(select source from given)]) ->> 'merge_id')::uuid as first,
  (public.merge_leads((select target from given), array[(select third from given)]) ->> 'merge_id')::uuid as second;

select results_eq(
  $$select l.deal_id, l.course, l.phone from public.leads l join given g on l.id = g.target$$, $$select id, 'Cardiology', '+919833333333' from deal$$,
  'a target takes what it lacks, a deal too');

update public.leads l set industry = 'Health', tags = l.tags || array['vip'], custom_fields = l.custom_fields || '{"b": 5}' from given g where l.id = g.target;

select public.unmerge((select first from two_merges));

select results_eq(
  $$select l.deal_id, l.converted_to_deal, l.organization, l.phone, l.course, l.industry, l.tags, l.custom_fields from public.leads l join given g on l.id = g.target$$,
  $$values (null::uuid, false, null, null, null, 'Health', '{hot,one,vip}'::text[], '{"a": 1, "b": 5, "c": 4}'::jsonb)$$,
  'a target that was changed since keeps the changes and gives back what it took');

select public.unmerge((select second from two_merges));

select tests.clear_authentication();

update public.leads l set industry = null, tags = '{one}', custom_fields = '{"a": 1}' from given g where l.id = g.target and l.tags = '{one,vip}' and l.custom_fields = '{"a": 1, "b": 5}';

select results_eq('select * from pg_temp.leads()', 'select * from third_before', 'then nothing is left of either');

-- Amounts

update public.leads l set value = 0, annual_revenue = null from given g where l.id = g.target;

update public.leads l set value = 500, annual_revenue = 9000, currency = 'USD' from given g where l.id = g.source;

update public.leads l set value = 700, annual_revenue = null from given g where l.id = g.third;

create function pg_temp.amounts(p_choices jsonb default '{}') returns text language sql as $$
  select string_agg(f ->> 'result', ' ' order by f ->> 'field' desc) || ' ' || bool_or((f ->> 'is_conflict')::boolean)
  from given, jsonb_array_elements(public.merge_preview(target, array[source, third], p_choices) -> 'fields') f
  where f ->> 'field' in ('value', 'annual_revenue');
$$;

grant execute on function pg_temp.amounts(jsonb) to public;

select tests.authenticate_as((select manager from people));

select is(pg_temp.amounts(), '700.00 false', 'a lead that is worth nothing lacks a value, and no amount is taken out of another currency');

select throws_ok($$select pg_temp.amounts(jsonb_build_object('value', (select source from given)))$$, 'PT422', null, 'not even when it is chosen');

select is(pg_temp.amounts(jsonb_build_object('value', (select target from given))), '0.00 false', 'what is chosen counts, be it nothing');

select tests.clear_authentication();

-- A release that comes between

select tests.authenticate_as((select manager from people));

create temp table before_release on commit drop as
select (public.merge_leads((select target from given), array[(select third from given)]) ->> 'merge_id')::uuid as merge;

grant select on before_release to public;

select tests.clear_authentication();

alter table public.leads add column since_then text not null default 'as is';

update public.leads l set since_then = 'filled' from given g where l.id = g.third;

select tests.authenticate_as((select manager from people));

select lives_ok($$select public.unmerge((select merge from before_release))$$, 'a merge of before a column was added is taken apart');

select tests.clear_authentication();

select results_eq($$select l.since_then, l.deleted_at from public.leads l join given g on l.id = g.third$$, $$values ('filled', null::timestamptz)$$, 'and the column keeps what it has');

-- Every table that points at a lead is moved

select is_empty(
  $$
    select c.child from private.lead_children() c
    where not exists (select from pg_index i where i.indrelid = c.child and i.indisprimary)
  $$, 'every child of a lead has a primary key to remember it by');

select ok(
  (select array_agg(c.child::text) from private.lead_children() c) @> array['lead_history', 'lead_enquiries', 'lead_identities', 'activities', 'lead_assignments', 'notifications']
  or (select array_agg(c.child::text) from private.lead_children() c) @> array['public.lead_history', 'public.lead_enquiries', 'public.lead_identities', 'public.activities', 'public.lead_assignments', 'public.notifications'],
  'the catalogue names the children');

select is_empty(
  $$
    select c.child, a.attname
    from pg_class r
    join private.lead_children() c on c.child = r.oid
    join pg_attribute a on a.attrelid = r.oid and a.attname = 'lead_id' and not a.attisdropped
    where not exists (select from pg_constraint k where k.conrelid = r.oid and k.contype = 'f' and k.conkey = array[a.attnum])
  $$, 'no lead_id goes without a foreign key');

select is_empty(
  $$
    select c.oid::regclass
    from pg_class c
    join pg_attribute a on a.attrelid = c.oid and a.attname = 'lead_id' and a.atttypid = 'uuid'::regtype and not a.attisdropped
    where c.relkind in ('r', 'p') and c.relnamespace in ('public'::regnamespace, 'private'::regnamespace) and not c.relispartition
      and c.oid not in (select child from private.lead_children())
  $$, 'a table with a lead_id that a merge would forget fails here');

select * from finish();

rollback;
