-- Scoring: rules as rows, kept between 0 and 100 on every write, and explained.

begin;

select no_plan();

create temp table people on commit drop as
select tests.create_user('admin') as admin, tests.create_user('counselor', 'Scoring') as counselor, tests.create_user('counselor', 'Scoring B') as stranger;

grant select on people to public;

delete from public.lead_score_rules;

insert into public.leads (name, email, phone, source, course, tags, value, experience, custom_fields, last_interaction_at, assigned_to)
select 'Scored', 'scored@scoring.test', null, 'Referral', 'MBBS', array['hot'], 5000, 3, '{"city": "Pune", "marks": "87.5"}'::jsonb, now() - interval '15 days', counselor from people;

select is((select l.score from public.leads l where l.name = 'Scored'), 0::smallint, 'without rules a lead has no points');

create function pg_temp.awarded(p_field text, p_operator text, p_value jsonb, p_decay integer default null) returns text language plpgsql as $$
declare
  score smallint;
begin
  insert into public.lead_score_rules (name, field, operator, value, points, decay_days) values ('Rule', p_field, p_operator, p_value, 40, p_decay);
  update public.leads set website = null where name = 'Scored' returning leads.score into score;
  delete from public.lead_score_rules;
  return score;
exception when others then
  return sqlstate;
end
$$;

select is(pg_temp.awarded(field, operator, value::jsonb), wanted, format('%s %s %s gives %s', field, operator, value, wanted))
from (values
  ('email', 'is_set', null, '40'), ('phone', 'is_set', null, '0'), ('phone', 'is_not_set', null, '40'), ('tags', 'is_set', null, '40'), ('last_interaction_at', 'is_set', null, '40'),
  ('source', 'eq', '"referral"', '40'), ('source', 'eq', '"Website"', '0'), ('source', 'neq', '"Website"', '40'), ('phone', 'neq', '"x"', '40'), ('source', 'in', '["Website", "REFERRAL"]', '40'),
  ('source', 'in', '[]', '0'), ('course', 'contains', '"bb"', '40'), ('tags', 'contains', '"hot"', '40'), ('tags', 'contains', '"cold"', '0'),
  ('value', 'gt', '4999.5', '40'), ('value', 'gte', '5000', '40'), ('value', 'lt', '5000', '0'), ('value', 'lte', '5000', '40'), ('experience', 'eq', '3', '40'), ('experience', 'neq', '3', '0'),
  ('custom_fields.city', 'eq', '"pune"', '40'), ('custom_fields.none', 'eq', '"x"', '0'), ('custom_fields.marks', 'gte', '87', '40'), ('custom_fields.city', 'gt', '1', '0'),
  ('last_interaction_at', 'within_days', '16', '40'), ('last_interaction_at', 'within_days', '14', '0'), ('enquiries_count', 'gt', '1', '0'),
  ('tags', 'gt', '1', 'PT422'), ('source', 'gt', '1', 'PT422'), ('value', 'contains', '"x"', 'PT422'), ('value', 'eq', '"x"', 'PT422'), ('created_at', 'eq', '"x"', 'PT422'),
  ('source', 'within_days', '3', 'PT422'), ('password', 'is_set', null, '23514'), ('source', 'like', '"x"', '23514'), ('source', 'eq', '"'' or true) then 1 else (select 1"', '0')
) t (field, operator, value, wanted);

select is(pg_temp.awarded('last_interaction_at', 'is_set', null, 30), '20', 'half of the time, half of the points');

select is(pg_temp.awarded('source', 'is_set', null, 30), '23514', 'only a moment decays');

insert into public.lead_score_rules (name, field, operator, value, points) values ('A', 'email', 'is_set', null, 80), ('B', 'source', 'is_set', null, 70), ('C', 'phone', 'is_set', null, -30);

update public.leads set phone = '+919811100011' where name = 'Scored';

select is((select l.score from public.leads l where l.name = 'Scored'), 100::smallint, 'the sum is kept at 100');

update public.lead_score_rules set is_active = false where name in ('A', 'B');

update public.leads set course = 'MD' where name = 'Scored';

select is((select l.score from public.leads l where l.name = 'Scored'), 0::smallint, 'and at 0; a rule that is switched off counts for nothing');

update public.leads set score = 77 where name = 'Scored';

select is((select l.score from public.leads l where l.name = 'Scored'), 0::smallint, 'nobody writes a score by hand');

select is((select is_stale from private.score_state), true, 'changed rules ask for all leads to be scored again');

-- Who

select tests.authenticate_as((select counselor from people));

select is(
  (select public.explain_score(l.lead_id) from public.leads l where l.name = 'Scored') - 'lead_id',
  (select jsonb_build_object('score', 0, 'rules', jsonb_build_array(jsonb_build_object('rule_id', r.id, 'name', 'C', 'field', 'phone', 'operator', 'is_set', 'value', null, 'points', -30, 'awarded', -30)))
    from public.lead_score_rules r where r.name = 'C'),
  'a score is explained rule by rule');

select throws_ok($$insert into public.lead_score_rules (name, field, operator, points) values ('X', 'email', 'is_set', 1)$$, '42501', null, 'a counselor makes no rules');

select tests.authenticate_as((select stranger from people));

select throws_ok($$select public.explain_score('LEAD-001')$$, 'PT404', null, 'nobody is told of a lead they do not see');

select tests.authenticate_as((select admin from people));

select lives_ok($$insert into public.lead_score_rules (name, field, operator, points) values ('X', 'email', 'is_set', 1)$$, 'an administrator does');

select * from finish();

rollback;
