-- Pipeline: the stages, who changes them, which moves are allowed, and the counts over what one may see.

begin;

select no_plan();

create temp table people on commit drop as
select tests.create_user('admin') as admin, tests.create_user('manager', 'Pipeline A') as manager, tests.create_user('counselor', 'Pipeline A') as counselor,
  tests.create_user('counselor', 'Pipeline B') as stranger, tests.create_user('admin', null, false) as inactive;

grant select on people to public;

-- The stages that come with the project

select results_eq(
  'select key, is_won, is_lost, is_closed from public.pipeline_stages order by position',
  $$values ('new', false, false, false), ('contacted', false, false, false), ('qualified', false, false, false), ('proposal', false, false, false),
    ('enrolled', true, false, true), ('closed', false, false, true), ('lost', false, true, true)$$,
  'the stages are those of the documents, in their order');

select is(private.first_stage(), 'new', 'a lead starts in the first open stage');

select is(private.funnel_position(stage), wanted::smallint, format('%s %s', stage, case when wanted is null then 'does not count in the funnel' else 'is step ' || wanted || ' of the funnel' end))
from (values ('new', 1), ('proposal', 4), ('enrolled', 5), ('closed', null), ('lost', null), ('nowhere', null)) t (stage, wanted);

-- Moves

insert into public.leads (name, status, assigned_to) select 'Pipeline ' || s.key, s.key, people.counselor from public.pipeline_stages s, people;

create function pg_temp.move(p_from text, p_to text) returns text language plpgsql as $$
begin
  update public.leads set status = p_to where name = 'Pipeline ' || p_from;
  raise exception using errcode = 'PTUND', message = 'allowed';
exception when others then
  return case sqlstate when 'PTUND' then 'allowed' else sqlstate end;
end
$$;

select is(
  pg_temp.move(a.key, b.key),
  case
    when a.key = b.key then 'allowed'
    when a.key in ('new', 'contacted', 'qualified', 'proposal') then 'allowed'
    when (a.key, b.key) in (('enrolled', 'closed'), ('closed', 'contacted'), ('closed', 'qualified'), ('lost', 'new'), ('lost', 'contacted'), ('lost', 'qualified')) then 'allowed'
    else 'PT422'
  end,
  format('a move from %s to %s follows the table of moves', a.key, b.key))
from public.pipeline_stages a, public.pipeline_stages b
where a.position <= 7 and b.position <= 7;

select results_eq(
  $$select * from tests.refused('update public.leads set status = ''contacted'' where name = ''Pipeline enrolled''')$$,
  $$values ('PT422', 'transition_forbidden: enrolled to contacted')$$, 'a forbidden move says which one it was');

select results_eq(
  $$select * from tests.refused('update public.leads set status = ''Nirvana'' where name = ''Pipeline new''')$$,
  $$values ('PT422', 'stage_unknown: nirvana')$$, 'a stage that does not exist says which one it was');

update public.leads set status = '  QuaLified ' where name = 'Pipeline new';

select is((select status from public.leads where name = 'Pipeline new'), 'qualified', 'a stage is understood whatever its case');

-- Who changes the pipeline

select tests.authenticate_as((select counselor from people));

select isnt_empty('select key from public.pipeline_stages', 'a counselor reads the stages');

select isnt_empty('select from_stage from public.pipeline_transitions', 'and the moves');

select throws_ok($$insert into public.pipeline_stages (key, name, position) values ('demo', 'Demo', 20)$$, '42501', null, 'but adds none');

select is_empty($$update public.pipeline_stages set name = 'X' returning key$$, 'changes none');

select is_empty($$delete from public.pipeline_stages returning key$$, 'and deletes none');

select throws_ok($$insert into public.pipeline_transitions (from_stage, to_stage) values ('enrolled', 'new')$$, '42501', null, 'nor allows a move');

select is_empty($$delete from public.pipeline_transitions returning from_stage$$, 'or forgets one');

select tests.authenticate_as((select manager from people));

select throws_ok($$insert into public.pipeline_stages (key, name, position) values ('demo', 'Demo', 20)$$, '42501', null, 'a manager adds no stage either');

select tests.authenticate_as((select inactive from people));

select is_empty('select key from public.pipeline_stages', 'an inactive administrator reads no stage');

select throws_ok($$insert into public.pipeline_stages (key, name, position) values ('demo', 'Demo', 20)$$, '42501', null, 'and adds none');

select tests.authenticate_as_anon();

select throws_ok('select key from public.pipeline_stages', '42501', null, 'anon reads no stage');

select throws_ok('select * from public.pipeline_summary()', '42501', null, 'nor the summary');

select throws_ok('select public.pipeline_board()', '42501', null, 'nor the board');

select tests.authenticate_as((select admin from people));

select lives_ok($$insert into public.pipeline_stages (key, name, position, probability) values ('demo', 'Demo', 20, 50)$$, 'an administrator adds a stage');

select lives_ok(
  $$update public.pipeline_stages set position = case key when 'new' then 2 else 1 end where key in ('new', 'contacted')$$,
  'and swaps two in one statement');

select lives_ok($$insert into public.pipeline_transitions (from_stage, to_stage) values ('demo', 'proposal')$$, 'and says where a stage may be left for');

select lives_ok($$delete from public.pipeline_stages where key = 'demo'$$, 'and deletes one that no lead is in, its moves with it');

select throws_ok($$delete from public.pipeline_stages where key = 'qualified'$$, '23503', null, 'a stage that leads are in stays');

select throws_ok(
  format('insert into public.pipeline_stages (key, name, position, is_won, is_lost, is_closed, probability) values (%L, %L, %s, %L, %L, %L, %s)', key, name, pos, won, lost, closed, probability),
  state, null, format('the pipeline does not take a stage with %s', what))
from (values
  ('Upper', 'Name', 30, false, false, false, 0, '23514', 'a key that is not snake case'), ('blank', ' ', 30, false, false, false, 0, '23514', 'a blank name'),
  ('below', 'Name', 0, false, false, false, 0, '23514', 'a position below one'), ('both', 'Name', 30, true, true, true, 0, '23514', 'both won and lost'),
  ('open_won', 'Name', 30, true, false, false, 0, '23514', 'an enrolment still open'), ('open_lost', 'Name', 30, false, true, false, 0, '23514', 'a loss still open'),
  ('likely', 'Name', 30, false, false, false, 101, '23514', 'more than a hundred percent'), ('new', 'Name', 30, false, false, false, 0, '23505', 'a key that is there')
) t (key, name, pos, won, lost, closed, probability, state, what);

select throws_ok($$insert into public.pipeline_transitions (from_stage, to_stage) values ('new', 'new')$$, '23514', null, 'a move changes the stage');

select throws_ok($$insert into public.pipeline_transitions (from_stage, to_stage) values ('new', 'nirvana')$$, '23503', null, 'and leads somewhere');

select throws_ok($$insert into public.pipeline_stages (key, name, position) values ('twin', 'Twin', 3); set constraints all immediate$$, '23505', null, 'two stages do not share a position');

select tests.clear_authentication();

update public.pipeline_stages set key = 'won_over' where key = 'enrolled';

select is((select status from public.leads where name = 'Pipeline enrolled'), 'won_over', 'a stage renamed in Studio takes its leads along');

select isnt_empty($$select from public.pipeline_transitions where from_stage = 'won_over'$$, 'and its moves');

update public.pipeline_stages set key = 'enrolled' where key = 'won_over';

update public.pipeline_stages set position = case key when 'new' then 1 else 2 end where key in ('new', 'contacted');

-- The summary and the board

create temp table filled on commit drop as select count(*) as total from public.leads;

insert into public.leads (name, status, value, assigned_to)
select 'Summary ' || n, case when n <= 3 then 'new' when n = 4 then 'contacted' else 'lost' end, n * 100, stranger from people, generate_series(1, 5) n;

insert into public.leads (name, status, value, assigned_to, deleted_at) select 'Summary deleted', 'new', 1000000, stranger, now() from people;

select tests.authenticate_as((select stranger from people));

select results_eq(
  'select stage, name, "position", count, value from public.pipeline_summary()',
  $$values ('new', 'New', 1::smallint, 3::bigint, 600::numeric), ('contacted', 'Contacted', 2::smallint, 1::bigint, 400::numeric), ('qualified', 'Qualified', 3::smallint, 0::bigint, 0::numeric),
    ('proposal', 'Proposal', 4::smallint, 0::bigint, 0::numeric), ('enrolled', 'Enrolled', 5::smallint, 0::bigint, 0::numeric), ('closed', 'Closed', 6::smallint, 0::bigint, 0::numeric),
    ('lost', 'Lost', 7::smallint, 1::bigint, 500::numeric)$$,
  'the summary counts what is mine, without the deleted, and names the empty stages too');

select results_eq(
  $$select k from jsonb_object_keys(public.pipeline_board() -> 0) k order by k$$, $$values ('count'), ('leads'), ('name'), ('stage'), ('value')$$,
  'a column of the board has its documented keys');

select is(jsonb_array_length(public.pipeline_board()), 7, 'the board has a column per stage');

select is(jsonb_array_length(public.pipeline_board(2) #> '{0,leads}'), 2, 'with no more leads than asked for');

select is((public.pipeline_board(2) #>> '{0,count}')::integer, 3, 'and the count of all of them');

select is(public.pipeline_board(0) #> '{0,leads}', '[]'::jsonb, 'none if none were asked for');

select throws_ok(format('select public.pipeline_board(%s)', given), 'PT422', null, format('a limit of %s is refused', given)) from unnest(array['-1', '101', 'null']) given;

select tests.authenticate_as((select manager from people));

select is((select sum(count) from public.pipeline_summary()), 7::numeric, 'a manager''s summary counts the team');

select tests.authenticate_as((select inactive from people));

select is((select coalesce(sum(count), 0) from public.pipeline_summary()), 0::numeric, 'an inactive administrator''s counts nothing');

select * from finish();

rollback;
