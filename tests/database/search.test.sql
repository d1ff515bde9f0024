-- Search: what finds what, in whose sight, and page by page.

begin;

select no_plan();

create temp table people on commit drop as
select tests.create_user('admin') as admin, tests.create_user('manager', 'Search A') as manager,
  tests.create_user('counselor', 'Search A') as counselor, tests.create_user('counselor', 'Search B') as stranger,
  tests.create_user('counselor', 'Search B', false) as inactive;

grant select on people to public;

alter table public.leads disable trigger route_new_lead;

insert into public.leads (name, email, phone, organization, course, tags, custom_fields, assigned_to)
select 'Zenobia Quartermain', 'zenobia@search.test', '+919812312345', 'Xylo Hospital', 'MBBS', array['vip'], '{"city": "Pune"}'::jsonb, counselor from people
union all select 'Zenobia Other', null, '+919812399999', null, null, '{}', '{}', stranger from people
union all select 'Fifty%Off Under_score', null, '+919812388888', null, null, '{}', '{}', counselor from people;

insert into public.lead_identities (lead_id, kind, value) select l.id, 'phone', '+919700000001' from public.leads l where l.email = 'zenobia@search.test';

create function pg_temp.found(p_query text, p_filter jsonb default null) returns text[] language sql as $$
  select coalesce(array_agg(s.name || ' by ' || s.matched), '{}') from public.search_leads(p_query, 20, null, p_filter) s;
$$;

grant execute on function pg_temp.found(text, jsonb) to public;

select tests.authenticate_as((select counselor from people));

select is(pg_temp.found(query), array['Zenobia Quartermain by ' || matched], format('"%s" finds by %s', query, matched))
from (values
  ('zenobia', 'text'), ('  QUARTER ', 'text'), ('main zeno', 'text'), ('xylo', 'text'), ('zenobia@search.test', 'key'), ('@search.test', 'text'),
  ('+91 98123 12345', 'key'), ('9812312345', 'key'), ('2312345', 'key'), ('123-12345', 'key'), ('312345', 'text'), ('9812312', 'text'), ('9700000001', 'key'), ('zenobai quartermian', 'similar')
) t (query, matched);

select is(pg_temp.found((select l.lead_id from public.leads l where l.email = 'zenobia@search.test')), array['Zenobia Quartermain by key'], 'the number finds its lead');

select is(
  (pg_temp.found(replace((select l.lead_id from public.leads l where l.email = 'zenobia@search.test'), given, wanted)))[1], 'Zenobia Quartermain by key', format('also with %L for %L', wanted, given))
from (values ('LEAD-', 'lead '), ('LEAD-', 'Lead'), ('LEAD-', 'lead-000'), ('LEAD-', '')) t (given, wanted);

select is(
  (select count(*) from public.search_leads(right((select l.phone from public.leads l where l.email = 'zenobia@search.test'), 6))), 1::bigint, 'who is found by other digits is found once');

select is(pg_temp.found(query), array['Fifty%Off Under_score by text'], format('"%s" is no wildcard', query)) from unnest(array['fifty%', 'under_', '%off']) query;

select is(pg_temp.found('%%'), '{}', 'wildcards alone find nothing');

select is(pg_temp.found(''' or true --'), '{}', 'a quote is a quote');

select is(pg_temp.found('zenobia', filter), wanted, format('narrowed by %s', filter))
from (values
  ('{"status": "New"}'::jsonb, array['Zenobia Quartermain by text']), ('{"status": "lost"}', '{}'), ('{"tags": ["vip"]}', array['Zenobia Quartermain by text']), ('{"tags": ["x"]}', '{}'),
  ('{"custom_fields": {"city": "Pune"}}', array['Zenobia Quartermain by text']), ('{"custom_fields": {"city": "Delhi"}}', '{}'), ('{"source": "Manual"}', array['Zenobia Quartermain by text'])
) t (filter, wanted);

select throws_ok(format('select * from public.search_leads(%s)', arguments), 'PT422', null, format('(%s) is refused', arguments))
from unnest(array[$$'x'$$, $$null$$, $$'zenobia', 0$$, $$'zenobia', 101$$, $$'zenobia', 10, '[]'$$, $$'zenobia', 10, '{"kind": 1}'$$, $$'zenobia', 10, null, '{"name": "x"}'$$,
  $$'zenobia', 10, '{"kind": "x", "created_at": "2026-01-01", "id": "00000000-0000-4000-8000-000000000001"}'$$, $$'zenobia', 10, '{"kind": 9, "created_at": "2026-01-01", "id": "00000000-0000-4000-8000-000000000001"}'$$,
  $$'zenobia', 10, '{"kind": 2, "created_at": "x", "id": "00000000-0000-4000-8000-000000000001"}'$$, $$'zenobia', 10, '{"kind": 2, "created_at": "2026-01-01", "id": "x"}'$$,
  $$'zenobia', 10, null, '{"assigned_to": "x"}'$$, $$'zenobia', 10, null, '{"tags": "vip"}'$$, $$'zenobia', 10, null, '{"custom_fields": []}'$$]) arguments;

-- Notes

select tests.clear_authentication();

insert into public.notes (lead_id, author_id, content, is_private)
select l.id, p.counselor, 'Wants a hostel near the campus', false from public.leads l, people p where l.email = 'zenobia@search.test'
union all select l.id, p.counselor, 'Confidential scholarship', true from public.leads l, people p where l.email = 'zenobia@search.test';

select tests.authenticate_as((select counselor from people));

select is(pg_temp.found('hostel campus'), array['Zenobia Quartermain by note'], 'words of a note find the lead');

select is(pg_temp.found('scholarship'), array['Zenobia Quartermain by note'], 'one''s own private note does too');

-- Sight

select tests.authenticate_as((select stranger from people));

select is(pg_temp.found('zenobia'), array['Zenobia Other by text'], 'another counselor finds their own');

select is(pg_temp.found(query), '{}', format('and not by "%s"', query)) from unnest(array['zenobia@search.test', '9812312345', '2312345', 'hostel campus', '9700000001']) query;

select tests.authenticate_as((select manager from people));

select is(pg_temp.found('zenobia'), array['Zenobia Quartermain by text'], 'a manager finds what the team has');

select is(pg_temp.found('scholarship'), '{}', 'but not by somebody''s private note');

select tests.clear_authentication();

insert into public.teams (name) values ('Search C');

insert into public.team_members (team_id, user_id) select t.id, manager from people, public.teams t where t.name = 'Search C';

insert into public.leads (name, assigned_to, team_id) select 'Zenobia Elsewhere', manager, t.id from people, public.teams t where t.name = 'Search C';

select tests.authenticate_as((select manager from people));

select is(pg_temp.found('zenobia'), array['Zenobia Elsewhere by text', 'Zenobia Quartermain by text'], 'and their own lead of a team that they only work in');

select tests.clear_authentication();

delete from public.leads where name = 'Zenobia Elsewhere';

select tests.authenticate_as((select admin from people));

select is((select count(*) from public.search_leads('zenobia')), 2::bigint, 'an administrator finds everybody''s');

select tests.authenticate_as((select inactive from people));

select throws_ok($$select * from public.search_leads('zenobia')$$, '42501', null, 'an inactive account searches nothing');

select tests.clear_authentication();

-- Pages

insert into public.leads (name, assigned_to, created_at)
select 'Pagewise ' || i, counselor, timestamptz '2026-01-01' + (i / 2) * interval '1 minute' from people, generate_series(1, 25) i;

create function pg_temp.pages(p_query text, p_size integer) returns text[] language plpgsql as $$
declare
  seen text[] := '{}';
  page text[];
  after jsonb;
begin
  loop
    select array_agg(s.name order by s.n), (array_agg(s.cursor order by s.n desc))[1] into page, after
    from (select row_number() over () as n, p.* from public.search_leads(p_query, p_size, after) p) s;
    exit when page is null;
    seen := seen || page;
    exit when cardinality(seen) > 100;
  end loop;
  return seen;
end
$$;

grant execute on function pg_temp.pages(text, integer) to public;

select tests.authenticate_as((select counselor from people));

select is(
  pg_temp.pages('pagewise', 4), (select array_agg(l.name order by l.created_at desc, l.id desc) from public.leads l where l.name like 'Pagewise %'),
  'pages hold every lead once, newest first, also where moments are shared');

select is(pg_temp.pages(query, 1), array['Zenobia Quartermain'], format('a lead found by "%s" is on one page only', query))
from unnest(array['zenobia@search.test', '9812312345', '9700000001']) query;

select * from finish();

rollback;
