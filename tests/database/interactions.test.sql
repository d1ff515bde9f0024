-- Interactions: whatever the channel, one call logs it and one list has it.

begin;

select no_plan();

create temp table people on commit drop as
select tests.create_user('counselor', 'Messaging A', true, 'Divya') as colleague, tests.create_user('counselor', 'Messaging B', true) as stranger;

create temp table given on commit drop as select gen_random_uuid() as lead;

grant select on people, given to public;

alter table public.leads disable trigger route_new_lead;

insert into public.leads (id, name, assigned_to) select lead, 'Written Lead', colleague from given, people;

insert into public.communications (lead_id, type, content) select lead, t, 'Written' from given, unnest(array['email', 'meeting', 'sms']) t;

select tests.authenticate_as((select colleague from people));

select results_eq(
  format('select type, direction, content, "by" from public.interaction_log(%L, %L, %L, p_direction => %L, p_at => now() - interval %L)', l.lead_id, 'Call', 'Wants a visit', 'inbound', '1 hour'),
  $$values ('call', 'inbound', 'Wants a visit', 'Divya')$$,
  'a call is logged by the lead''s number')
from public.leads l, given g where l.id = g.lead;

select results_eq(
  format('select type, content from public.interaction_log(%L, %L, %L)', lead, 'note', 'Budget is tight'), $$values ('note', 'Budget is tight')$$, 'a note is, too')
from given;

select is(
  (select array_agg(distinct i.type order by i.type) from public.interactions i, given g where i.lead_id = g.lead), '{call,email,meeting,note,sms}', 'all of them are in one list');

select results_eq(
  format('select state, split_part(details, %L, 1) from tests.refused(%L)', ':', format('select public.interaction_log(%s)', args)), format('values (%L, %L)', state, code), what)
from given, lateral (values
  (format('%L, %L', lead, 'gossip'), 'PT422', 'argument_invalid', 'an unknown kind is refused'),
  (format('%L, %L', lead, 'note'), 'PT422', 'argument_invalid', 'so is a note without words'),
  (format('%L, %L, p_direction => %L', lead, 'call', 'up'), 'PT422', 'argument_invalid', 'an unknown direction'),
  (format('%L, %L, p_duration => -1', lead, 'call'), 'PT422', 'argument_invalid', 'a call of less than no time'),
  (format('%L, %L, p_at => now() + interval %L', lead, 'email', '1 day'), 'PT422', 'argument_invalid', 'a message that is yet to come'),
  (format('%L, %L', 'LEAD-000', 'call'), 'PT404', 'lead_not_found', 'and a lead that is not there')
) t (args, state, code, what);

select tests.authenticate_as((select stranger from people));

select is_empty('select i.id from public.interactions i, given g where i.lead_id = g.lead', 'somebody of another team has none of it');

select * from finish();

rollback;
