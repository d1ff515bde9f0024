-- Scoring: how promising a lead is, 0 to 100, by rules that admins keep as rows.
--
-- The rules are compiled into one function when they change, so that a lead is scored in microseconds on
-- every write. Points may decay with the age of a moment; a nightly run lets time pass over open leads.

-- Tables

create table public.lead_score_rules (
  id uuid primary key default private.uuid_v7(),
  name text not null,
  field text not null,
  operator text not null,
  value jsonb,
  points smallint not null,
  decay_days integer,
  is_active boolean not null default true,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint lead_score_rules_name_is_not_blank check (btrim(name) <> '' and length(name) <= 120),
  constraint lead_score_rules_field_is_known check (
    field in ('source', 'status', 'course', 'qualification', 'territory', 'organization', 'job_title', 'industry', 'email', 'phone', 'website', 'value', 'annual_revenue',
      'experience', 'enquiries_count', 'tags', 'created_at', 'last_interaction_at', 'last_enquiry_at')
    or field ~ '^custom_fields\.[A-Za-z0-9_]{1,60}$'
  ),
  constraint lead_score_rules_operator_is_known check (operator in ('eq', 'neq', 'in', 'contains', 'gt', 'gte', 'lt', 'lte', 'is_set', 'is_not_set', 'within_days')),
  constraint lead_score_rules_points_are_in_range check (points between -100 and 100 and points <> 0),
  constraint lead_score_rules_decay_is_positive check (decay_days between 1 and 3650),
  constraint lead_score_rules_decay_needs_a_moment check (decay_days is null or field in ('created_at', 'last_interaction_at', 'last_enquiry_at')),
  constraint lead_score_rules_value_is_small check (pg_column_size(value) <= 4096)
);

comment on table public.lead_score_rules is 'A lead''s score is the sum of the points of the rules it meets, kept between 0 and 100.';

comment on column public.lead_score_rules.field is 'A column of leads, or custom_fields.<key>.';

comment on column public.lead_score_rules.operator is 'eq, neq, in (a list), contains (text, or a tag), gt, gte, lt, lte (numbers), is_set, is_not_set, within_days (a moment, not longer ago than value). Texts compare whatever the case.';

comment on column public.lead_score_rules.decay_days is 'Points of a moment fade evenly to nothing over so many days.';

create table private.score_state (
  is_single boolean primary key default true,
  is_stale boolean not null default false,
  constraint score_state_is_single check (is_single)
);

comment on table private.score_state is 'Whether rules changed since all leads were scored.';

-- Policies

alter table public.lead_score_rules enable row level security;

alter table private.score_state enable row level security;

create policy lead_score_rules_read on public.lead_score_rules for select to authenticated
  using ((select private.gate_own()) is not null);

comment on policy lead_score_rules_read on public.lead_score_rules is 'Every active person: a score can be explained to whoever sees it.';

create policy lead_score_rules_create on public.lead_score_rules for insert to authenticated
  with check ((select private.has_permission('scoring.manage')));

comment on policy lead_score_rules_create on public.lead_score_rules is 'With scoring.manage.';

create policy lead_score_rules_change on public.lead_score_rules for update to authenticated
  using ((select private.has_permission('scoring.manage')))
  with check ((select private.has_permission('scoring.manage')));

comment on policy lead_score_rules_change on public.lead_score_rules is 'With scoring.manage.';

create policy lead_score_rules_delete on public.lead_score_rules for delete to authenticated
  using ((select private.has_permission('scoring.manage')));

comment on policy lead_score_rules_delete on public.lead_score_rules is 'With scoring.manage.';

-- Functions

create function private.score_condition(p_rule public.lead_score_rules) returns text
language plpgsql stable set search_path = '' as $$
declare
  plain text := p_rule.value #>> '{}';
  is_custom boolean := p_rule.field like 'custom\_fields.%';
  is_number boolean := p_rule.field in ('value', 'annual_revenue', 'experience', 'enquiries_count', 'score');
  is_moment boolean := p_rule.field in ('created_at', 'last_interaction_at', 'last_enquiry_at');
  field text := case when is_custom then format('(l.custom_fields ->> %L)', substr(p_rule.field, 15)) else format('l.%I', p_rule.field) end;
begin
  case
    when p_rule.operator = 'is_set' then
      return case when p_rule.field = 'tags' then 'cardinality(l.tags) > 0' when is_number or is_moment then field || ' is not null' else format('nullif(%s, '''') is not null', field) end;
    when p_rule.operator = 'is_not_set' then
      return case when p_rule.field = 'tags' then 'cardinality(l.tags) = 0' when is_number or is_moment then field || ' is null' else format('nullif(%s, '''') is null', field) end;
    when p_rule.operator = 'within_days' and is_moment and plain ~ '^[0-9]{1,4}$' then
      return format('%s >= now() - make_interval(days => %s)', field, plain::integer);
    when p_rule.operator in ('gt', 'gte', 'lt', 'lte') and (is_number or is_custom) and jsonb_typeof(p_rule.value) = 'number' then
      return format(
        case when is_custom then '(case when %1$s ~ ''^-?[0-9]{1,15}(\.[0-9]{1,6})?$'' then %1$s::numeric end) %2$s %3$L::numeric' else '%1$s %2$s %3$L::numeric' end,
        field, (jsonb_build_object('gt', '>', 'gte', '>=', 'lt', '<', 'lte', '<=') ->> p_rule.operator), plain
      );
    when p_rule.operator in ('eq', 'neq') and is_number and jsonb_typeof(p_rule.value) = 'number' then
      return format('%s %s %L::numeric', field, case p_rule.operator when 'eq' then '=' else 'is distinct from' end, plain);
    when p_rule.operator in ('eq', 'neq') and not is_number and not is_moment and p_rule.field <> 'tags' and jsonb_typeof(p_rule.value) in ('string', 'number', 'boolean') then
      return format('lower(%s) %s %L', field, case p_rule.operator when 'eq' then '=' else 'is distinct from' end, lower(plain));
    when p_rule.operator = 'in' and not is_number and not is_moment and p_rule.field <> 'tags' and jsonb_typeof(p_rule.value) = 'array' then
      return format('lower(%s) = any (%L::text[])', field, (select coalesce(array_agg(lower(v)), '{}') from jsonb_array_elements_text(p_rule.value) v));
    when p_rule.operator = 'contains' and p_rule.field = 'tags' and jsonb_typeof(p_rule.value) = 'string' then
      return format('%L = any (l.tags)', plain);
    when p_rule.operator = 'contains' and not is_number and not is_moment and jsonb_typeof(p_rule.value) = 'string' then
      return format('position(%L in lower(%s)) > 0', lower(plain), field);
    else
      perform private.fail('score_rule_invalid', p_rule.field || ' ' || p_rule.operator);
  end case;

  return null;
end
$$;

comment on function private.score_condition(public.lead_score_rules) is 'A rule as SQL over a lead l; error score_rule_invalid where operator and value do not fit the field. Every value is quoted as a literal.';

create function private.score_term(p_rule public.lead_score_rules) returns text
language plpgsql stable set search_path = '' as $$
begin
  return format(
    'case when %s then %s else 0 end', private.score_condition(p_rule),
    case when p_rule.decay_days is null then p_rule.points::text
      else format('%s * greatest(0, 1 - extract(epoch from now() - l.%I) / %s)', p_rule.points, p_rule.field, p_rule.decay_days * 86400) end
  );
end
$$;

comment on function private.score_term(public.lead_score_rules) is 'What a rule adds to a score, as SQL.';

create function private.compile_score() returns void
language plpgsql volatile security definer set search_path = '' as $$
begin
  execute format(
    'create or replace function private.lead_score(l public.leads) returns smallint language plpgsql stable set search_path = '''' as %L',
    format(
      'begin return least(100, greatest(0, round((%s)::numeric)))::smallint; end',
      coalesce((select string_agg(private.score_term(r), ' + ' order by r.id) from public.lead_score_rules r where r.is_active), '0')
    )
  );

  comment on function private.lead_score(public.leads) is 'Score of a lead by the active rules. Written by compile_score(): change lead_score_rules instead.';
end
$$;

comment on function private.compile_score() is 'Writes private.lead_score() anew from the rules.';

create function private.recompile_score() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  -- First, so that who changes rules at the same time waits, and then compiles both.
  update private.score_state s set is_stale = true where s.is_single;

  perform private.compile_score();

  return null;
end
$$;

comment on function private.recompile_score() is 'Changed rules hold from the next write on; the leads that are there follow within a minute or so.';

create function private.score_lead() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  if not private.is_restoring() then
    new.score := private.lead_score(new);
  end if;

  return new;
end
$$;

comment on function private.score_lead() is 'Keeps leads.score, whoever writes.';

create procedure private.refresh_scores(p_all boolean default false)
language plpgsql as $$
declare
  last uuid := '00000000-0000-0000-0000-000000000000';
  batch uuid[];
begin
  -- No search_path clause: a procedure that has one may not commit. Every name is qualified.
  if not p_all and not exists (select from private.score_state s where s.is_stale) then
    return;
  end if;

  update private.score_state s set is_stale = false where s.is_single;

  commit;

  loop
    select array_agg(b.id), max(b.id::text)::uuid into batch, last
    from (select l.id from public.leads l where l.id > last and l.deleted_at is null order by l.id limit 2000) b;

    exit when batch is null;

    -- Nobody touched these leads: their time and version, by which an undo knows, stay.
    perform set_config('intake.restore', 'on', true);

    update public.leads l set score = private.lead_score(l) where l.id = any (batch) and l.score <> private.lead_score(l);

    commit;
  end loop;
end
$$;

comment on procedure private.refresh_scores(boolean) is 'Scores all live leads again in batches of their own transactions: when rules changed, or every night because time passed. That is no change of a lead: version and updated_at stay.';

create function private.explain_score(p_lead_id uuid) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
  lead public.leads;
  rule public.lead_score_rules;
  awarded numeric;
  lines jsonb := '[]';
begin
  select * into lead from public.leads l where l.id = p_lead_id;

  for rule in select * from public.lead_score_rules r where r.is_active order by abs(r.points) desc, r.id loop
    execute format('select %s from (select ($1).*) l', private.score_term(rule)) into awarded using lead;

    lines := lines || jsonb_build_object(
      'rule_id', rule.id, 'name', rule.name, 'field', rule.field, 'operator', rule.operator, 'value', rule.value,
      'points', rule.points, 'awarded', round(coalesce(awarded, 0), 1)
    );
  end loop;

  return jsonb_build_object('lead_id', lead.lead_id, 'score', private.lead_score(lead), 'rules', lines);
end
$$;

comment on function private.explain_score(uuid) is 'Body of public.explain_score(), of a lead the caller may see.';

select private.compile_score();

-- Triggers

create trigger recompile_score after insert or update or delete on public.lead_score_rules
  for each statement execute function private.recompile_score();

create trigger touch_updated_at before update on public.lead_score_rules for each row execute function private.touch_updated_at();

create trigger audit after insert or update or delete on public.lead_score_rules for each row execute function private.audit_row();

create trigger score_lead before insert or update on public.leads
  for each row execute function private.score_lead();

-- RPCs

create function public.explain_score(p_lead_id text) returns jsonb
language plpgsql stable security invoker set search_path = '' as $$
begin
  return private.explain_score(private.find_lead(p_lead_id));
end
$$;

comment on function public.explain_score(text) is 'Why a lead (by id or number) has its score: {lead_id, score, rules[{rule_id, name, field, operator, value, points, awarded}]}. Error lead_not_found.';

-- Schedule

select cron.schedule('intake-scores-changed', '* * * * *', 'call private.refresh_scores()');

select cron.schedule('intake-scores-nightly', '17 20 * * *', 'call private.refresh_scores(true)');

-- Grants

revoke all on public.lead_score_rules from anon, authenticated, service_role;

revoke all on private.score_state from anon, authenticated, service_role;

grant select, delete on public.lead_score_rules to authenticated;

grant insert (name, field, operator, value, points, decay_days, is_active), update (name, field, operator, value, points, decay_days, is_active) on public.lead_score_rules to authenticated;

grant select, insert, update, delete on public.lead_score_rules to service_role;

revoke all on function private.score_condition(public.lead_score_rules) from public, anon, authenticated, service_role;

revoke all on function private.score_term(public.lead_score_rules) from public, anon, authenticated, service_role;

revoke all on function private.compile_score() from public, anon, authenticated, service_role;

revoke all on function private.recompile_score() from public, anon, authenticated, service_role;

revoke all on function private.lead_score(public.leads) from public, anon, authenticated, service_role;

revoke all on function private.score_lead() from public, anon, authenticated, service_role;

revoke all on procedure private.refresh_scores(boolean) from public, anon, authenticated, service_role;

revoke all on function private.explain_score(uuid) from public, anon, authenticated, service_role;

grant execute on function private.explain_score(uuid) to authenticated;

revoke all on function public.explain_score(text) from public, anon, authenticated, service_role;

grant execute on function public.explain_score(text) to authenticated;

-- This module's permission, error and rules to start from

insert into public.permissions (key, description) values
  ('scoring.manage', 'Change the rules of lead scoring');

insert into public.error_codes (code, sqlstate, message, hint) values
  ('score_rule_invalid', 'PT422', 'The operator or the value does not fit the field of this rule.', 'Read the comments of lead_score_rules.');

insert into private.score_state default values;

insert into public.lead_score_rules (name, field, operator, value, points, decay_days) values
  ('Has a phone number', 'phone', 'is_set', null, 10, null),
  ('Has an e-mail address', 'email', 'is_set', null, 10, null),
  ('Named a course', 'course', 'is_set', null, 10, null),
  ('Came by referral', 'source', 'eq', '"Referral"', 15, null),
  ('Enquired more than once', 'enquiries_count', 'gt', '1', 15, null),
  ('Is qualified or further', 'status', 'in', '["qualified", "proposal", "enrolled"]', 30, null),
  ('Spoke with us lately', 'last_interaction_at', 'is_set', null, 20, 30);
