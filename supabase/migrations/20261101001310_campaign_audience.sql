-- Campaign audience: whom a campaign reaches, from conditions on leads and students.
--
-- Criteria are compiled here and nowhere else: every field is on a list, every value becomes a literal, and what
-- cannot be compiled is refused when it is written. The conditions are those of lead scoring. Whoever launches
-- reaches the people they see and nobody beyond.

-- Tables

create table public.campaign_recipients (
  campaign_id uuid not null references public.campaigns (id) on delete cascade,
  position integer not null,
  lead_id uuid references public.leads (id) on delete cascade,
  student_id uuid references public.students (id) on delete cascade,
  channel text not null,
  status text not null default 'pending',
  communication_id uuid references public.communications (id) on delete set null,
  task_id uuid references public.tasks (id) on delete set null,
  sent_at timestamptz,
  delivered_at timestamptz,
  opened_at timestamptz,
  clicked_at timestamptz,
  responded_at timestamptz,
  converted_at timestamptz,
  unsubscribed_at timestamptz,
  failed_at timestamptz,
  error text,
  primary key (campaign_id, position),
  constraint campaign_recipients_are_somebody check (num_nonnulls(lead_id, student_id) = 1),
  constraint campaign_recipients_channel_is_known check (channel in ('email', 'whatsapp', 'sms', 'phone')),
  constraint campaign_recipients_status_is_known check (status in ('pending', 'queued', 'sending', 'sent', 'delivered', 'failed', 'skipped', 'cancelled')),
  constraint campaign_recipients_wait_without_a_message check (status <> 'pending' or num_nonnulls(communication_id, task_id) = 0),
  constraint campaign_recipients_error_is_short check (length(error) <= 500)
) with (fillfactor = 80);

comment on table public.campaign_recipients is 'Whom a launched campaign goes to, one row each, and what became of it. Seen by who may manage campaigns, where the lead or student is visible. Read by campaign_id: select().eq("campaign_id", id).order("position").';

comment on column public.campaign_recipients.channel is 'On which channel this person gets it.';

comment on column public.campaign_recipients.status is 'pending, queued (handed over to be sent), sending, sent, delivered, failed, skipped (nothing to send to any more), cancelled.';

comment on column public.campaign_recipients.communication_id is 'The one message this person got.';

comment on column public.campaign_recipients.task_id is 'The call to make, of a phone campaign.';

comment on column public.campaign_recipients.responded_at is 'When they first wrote back or were reached.';

comment on column public.campaign_recipients.converted_at is 'When the lead reached a won stage after it.';

comment on column public.campaign_recipients.error is 'Why it failed or was skipped, as a stable code.';

create index campaign_recipients_waiting on public.campaign_recipients (campaign_id, position) where status = 'pending';

create index campaign_recipients_handed_over on public.campaign_recipients (campaign_id) where status = 'queued';

create index campaign_recipients_of_lead on public.campaign_recipients (lead_id, sent_at desc) where lead_id is not null;

create index campaign_recipients_of_student on public.campaign_recipients (student_id) where student_id is not null;

create unique index campaign_recipients_have_their_message on public.campaign_recipients (communication_id) where communication_id is not null;

create unique index campaign_recipients_have_their_task on public.campaign_recipients (task_id) where task_id is not null;

-- Policies

alter table public.campaign_recipients enable row level security;

create policy campaign_recipients_read on public.campaign_recipients for select to authenticated
  using (
    (select private.has_permission('campaigns.manage'))
    and (
      (select private.gate_all()) is not null
      or (select l.id from public.leads l where l.id = campaign_recipients.lead_id) is not null
      or (select s.id from public.students s where s.id = campaign_recipients.student_id) is not null
    )
  );

comment on policy campaign_recipients_read on public.campaign_recipients is 'Needs campaigns.manage, and sight of the lead or student. Always read by campaign_id.';

-- Functions

create function private.campaign_condition(p_audience text, p_field text, p_value jsonb) returns text
language plpgsql stable set search_path = '' as $$
declare
  texts constant text[] := case p_audience
    when 'students' then array['course', 'qualification', 'gender', 'email', 'phone', 'status', 'academic_year', 'semester']
    else array['course', 'qualification', 'gender', 'email', 'phone', 'status', 'source', 'territory', 'organization', 'job_title', 'industry', 'website'] end;
  numbers constant text[] := case p_audience when 'students' then '{}' else array['experience', 'score', 'value', 'annual_revenue', 'enquiries_count'] end;
  moments constant text[] := case p_audience when 'students' then array['created_at'] else array['created_at', 'last_interaction_at', 'last_enquiry_at'] end;
  signs constant jsonb := '{">": "gt", ">=": "gte", "<": "lt", "<=": "lte", "!=": "neq", "=": "eq"}';
  written text[];
  bounds jsonb;
  bound record;
  rule public.lead_score_rules;
  parts text[] := '{}';
begin
  if p_field in ('assigned_to', 'team_id') then
    return format('l.%I = any (%L::uuid[])', p_field, array(
      select v::uuid from jsonb_array_elements_text(case jsonb_typeof(p_value) when 'array' then p_value else jsonb_build_array(p_value) end) v
    ));
  end if;

  if p_field <> all (texts || numbers || moments) and p_field !~ '^custom_fields\.[A-Za-z0-9_]{1,60}$' and (p_field <> 'tags' or p_audience = 'students') then
    perform private.fail('argument_invalid', p_field);
  end if;

  case jsonb_typeof(p_value)
    when 'object' then bounds := p_value;
    when 'null' then bounds := '{"is_not_set": true}';
    when 'array' then bounds := jsonb_build_object('in', p_value);
    when 'string' then
      written := regexp_match(p_value #>> '{}', '^\s*(>=|<=|!=|>|<|=)?\s*(.*?)\s*$');
      bounds := jsonb_build_object(coalesce(signs ->> written[1], case p_field when 'tags' then 'contains' else 'eq' end), written[2]);
    else bounds := jsonb_build_object('eq', p_value);
  end case;

  if bounds = '{}' then
    perform private.fail('argument_invalid', p_field);
  end if;

  for bound in select b.key, b.value from jsonb_each(bounds) b loop
    rule.field := p_field;
    rule.operator := bound.key;
    rule.value := bound.value;

    -- "2" is a number where a number is asked for.
    if jsonb_typeof(rule.value) = 'string' and (p_field = any (numbers) or rule.operator in ('gt', 'gte', 'lt', 'lte'))
      and rule.value #>> '{}' ~ '^-?[0-9]{1,15}(\.[0-9]{1,6})?$' then
      rule.value := to_jsonb((rule.value #>> '{}')::numeric);
    end if;

    if p_field = any (moments) and rule.operator in ('gt', 'gte', 'lt', 'lte') then
      parts := parts || format(
        'l.%I %s %L::timestamptz', p_field, jsonb_build_object('gt', '>', 'gte', '>=', 'lt', '<', 'lte', '<=') ->> rule.operator,
        (bound.value #>> '{}')::timestamptz
      );
    elsif p_field = 'tags' and rule.operator = 'in' and jsonb_typeof(rule.value) = 'array' then
      parts := parts || format('l.tags && %L::text[]', array(select jsonb_array_elements_text(rule.value)));
    elsif p_field = any (numbers) and rule.operator = 'in' and jsonb_typeof(rule.value) = 'array' then
      parts := parts || format('l.%I = any (%L::numeric[])', p_field, array(select v::numeric from jsonb_array_elements_text(rule.value) v));
    else
      parts := parts || private.score_condition(rule);
    end if;
  end loop;

  return array_to_string(parts, ' and ');
end
$$;

comment on function private.campaign_condition(text, text, jsonb) is 'One criterion as SQL over a lead or student l. Every value is a literal.';

create function private.campaign_where(p_audience text, p_criteria jsonb) returns text
language plpgsql stable set search_path = '' as $$
declare
  criterion record;
  parts text[] := '{}';
begin
  for criterion in select c.key, c.value from jsonb_each(p_criteria) c where c.key <> 'audience' loop
    begin
      parts := parts || format('coalesce(%s, false)', private.campaign_condition(p_audience, criterion.key, criterion.value));
    exception when data_exception or sqlstate 'PT422' then
      perform private.fail('campaign_criteria_invalid', left(criterion.key, 120));
    end;
  end loop;

  return coalesce(nullif(array_to_string(parts, ' and '), ''), 'true');
end
$$;

comment on function private.campaign_where(text, jsonb) is 'All criteria as SQL over a lead or student l. Error campaign_criteria_invalid names the first that is none.';

create function private.campaign_audiences(p_criteria jsonb) returns text[]
language plpgsql stable set search_path = '' as $$
declare
  named text := lower(btrim(coalesce(p_criteria ->> 'audience', 'leads')));
begin
  if named not in ('leads', 'students', 'both') then
    perform private.fail('campaign_criteria_invalid', 'audience');
  end if;

  return case named when 'both' then '{leads,students}'::text[] else array[named] end;
end
$$;

comment on function private.campaign_audiences(jsonb) is 'The tables that criteria are about: leads, unless their audience says students or both.';

create function private.campaign_channels(p_type text, p_channels text[]) returns text[]
language plpgsql immutable set search_path = '' as $$
begin
  return case p_type when 'multi_channel' then p_channels else array[p_type] end;
end
$$;

comment on function private.campaign_channels(text, text[]) is 'On which channels a campaign goes, the preferred one first.';

create function private.audience_query(p_criteria jsonb, p_channels text[], p_scope text) returns text
language plpgsql stable set search_path = '' as $$
declare
  channel text := (
    select 'case ' || string_agg(format('when %s is not null then %L', case c when 'email' then 'l.email' else 'l.phone' end, c), ' ' order by place) || ' end'
    from unnest(p_channels) with ordinality u (c, place)
  );
  parts text;
begin
  select string_agg(format(
    'select %s, l.name, x.channel, case x.channel when ''email'' then l.email else l.phone end as address
     from public.%I l cross join lateral (select %s as channel) x
     where l.deleted_at is null and x.channel is not null and %s and %s',
    case a when 'leads' then 'l.id as lead_id, null::uuid as student_id' else 'null::uuid as lead_id, l.id as student_id' end, a, channel, p_scope, private.campaign_where(a, p_criteria)
  ), ' union all ' order by a) into parts
  from unnest(private.campaign_audiences(p_criteria)) a;

  -- Who is there twice, or shares an address, gets it once.
  return format('select distinct on (u.channel, u.address) u.lead_id, u.student_id, u.name, u.channel from (%s) u order by u.channel, u.address, u.lead_id, u.student_id', parts);
end
$$;

comment on function private.audience_query(jsonb, text[], text) is 'The people whom criteria mean, as a query of lead_id, student_id, name, channel: each address once.';

create function private.scope_filter_of(p_user_id uuid, p_alias text) returns text
language plpgsql stable security definer set search_path = '' as $$
declare
  person private.caller;
begin
  select p.id, p.role_id, r.data_scope,
    (select array_agg(m.team_id) from public.team_members m where m.user_id = p.id and m.is_manager and r.data_scope = 'team')
  into person
  from public.profiles p
  join public.roles r on r.id = p.role_id
  where p.id = p_user_id and p.is_active;

  return private.scope_filter(p_alias, person);
end
$$;

comment on function private.scope_filter_of(uuid, text) is 'What a person may see, for what is done in their name while they are not there.';

create function private.campaign_scope(p_campaign public.campaigns) returns text
language plpgsql stable security definer set search_path = '' as $$
begin
  return case
    when auth.uid() is not null then private.scope_filter('l')
    when p_campaign.created_by is not null then private.scope_filter_of(p_campaign.created_by, 'l')
    else 'true'
  end;
end
$$;

comment on function private.campaign_scope(public.campaigns) is 'Whom a campaign may reach: those whom whoever launches it sees; launched by the clock, those whom its maker sees.';

create function private.freeze_audience(p_campaign public.campaigns) returns integer
language plpgsql volatile security definer set search_path = '' as $$
declare
  most constant integer := (private.setting('campaigns.max_recipients'))::integer;
  frozen integer;
begin
  execute format(
    'insert into public.campaign_recipients (campaign_id, position, lead_id, student_id, channel)
     select $1, row_number() over (), a.lead_id, a.student_id, a.channel from (%s limit %s) a',
    private.audience_query(p_campaign.target_criteria, private.campaign_channels(p_campaign.type, p_campaign.channels), private.campaign_scope(p_campaign)), most + 1
  ) using p_campaign.id;

  get diagnostics frozen = row_count;

  if frozen = 0 then
    perform private.fail('campaign_audience_empty', p_campaign.id::text);
  end if;

  if frozen > most then
    perform private.fail('campaign_audience_too_large', most::text);
  end if;

  return frozen;
end
$$;

comment on function private.freeze_audience(public.campaigns) is 'Writes down whom a campaign goes to, once. Errors: campaign_audience_empty, campaign_audience_too_large.';

create function private.check_campaign_criteria() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  perform private.campaign_where(a, new.target_criteria) from unnest(private.campaign_audiences(new.target_criteria)) a;

  return new;
end
$$;

comment on function private.check_campaign_criteria() is 'Criteria that mean nothing are refused when they are written.';

create trigger check_campaign_criteria before insert or update of target_criteria on public.campaigns
  for each row when (jsonb_typeof(new.target_criteria) = 'object') execute function private.check_campaign_criteria();

create function private.audience_preview(p_criteria jsonb, p_type text, p_channels text[], p_limit integer) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
  query text;
  answer jsonb;
begin
  perform private.require_permission('campaigns.manage');

  if jsonb_typeof(p_criteria) is distinct from 'object' or p_type is null or p_type not in ('email', 'sms', 'whatsapp', 'phone', 'multi_channel')
    or p_limit is null or p_limit not between 0 and 100
    or not coalesce(p_channels <@ array['email', 'whatsapp', 'sms', 'phone'] and cardinality(p_channels) > 0, false) then
    perform private.fail('argument_invalid', 'p_criteria is an object, p_type email, sms, whatsapp, phone or multi_channel, p_limit 0 to 100');
  end if;

  query := private.audience_query(p_criteria, private.campaign_channels(p_type, p_channels), private.scope_filter('l'));

  execute format(
    'with audience as materialized (%s)
     select jsonb_build_object(
       ''count'', (select count(*) from audience),
       ''channels'', (select coalesce(jsonb_object_agg(c.channel, c.n), ''{}'') from (select channel, count(*) as n from audience group by channel) c),
       ''sample'', (select coalesce(jsonb_agg(s), ''[]'') from (select lead_id, student_id, name, channel from audience order by name limit $1) s)
     )', query
  ) into answer using p_limit;

  return answer;
end
$$;

comment on function private.audience_preview(jsonb, text, text[], integer) is 'Body of public.campaign_audience_preview().';

-- RPCs

create function public.campaign_audience_preview(
  p_criteria jsonb, p_type text default 'email', p_channels text[] default '{email,whatsapp,sms}', p_limit integer default 10
) returns jsonb
language sql stable security invoker set search_path = '' as $$
  select private.audience_preview(p_criteria, p_type, p_channels, p_limit);
$$;

comment on function public.campaign_audience_preview(jsonb, text, text[], integer) is 'Whom criteria reach on a channel, before anything is sent: {count, channels {email: n}, sample [{lead_id, student_id, name, channel}]}. Criteria are {field: value}: text or a number is equality (whatever the case), ">2", ">=2", "<2", "<=2" and "!=x" compare, a list is any of, null is not set, {gt, gte, lt, lte, eq, neq, in, contains, is_set, within_days} as often as needed. Fields of leads: course, qualification, gender, email, phone, status, source, territory, organization, job_title, industry, website, experience, score, value, annual_revenue, enquiries_count, created_at, last_interaction_at, last_enquiry_at, tags, assigned_to, team_id, custom_fields.<key>; of students: course, qualification, gender, email, phone, status, academic_year, semester, created_at, assigned_to, team_id, custom_fields.<key>. audience is leads (if left out), students or both. Only people the caller sees, each address once. Needs campaigns.manage. Errors: campaign_criteria_invalid, argument_invalid, permission_denied. Answers D0-058.';

-- Grants

revoke all on public.campaign_recipients from anon, authenticated, service_role;

grant select on public.campaign_recipients to authenticated;

grant select, insert, update, delete on public.campaign_recipients to service_role;

revoke all on function
  private.campaign_condition(text, text, jsonb),
  private.campaign_where(text, jsonb),
  private.campaign_audiences(jsonb),
  private.campaign_channels(text, text[]),
  private.audience_query(jsonb, text[], text),
  private.scope_filter_of(uuid, text),
  private.campaign_scope(public.campaigns),
  private.freeze_audience(public.campaigns),
  private.check_campaign_criteria(),
  private.audience_preview(jsonb, text, text[], integer),
  public.campaign_audience_preview(jsonb, text, text[], integer)
  from public, anon, authenticated, service_role;

grant execute on function
  private.audience_preview(jsonb, text, text[], integer),
  public.campaign_audience_preview(jsonb, text, text[], integer)
  to authenticated;

-- This module's errors and setting

insert into public.error_codes (code, sqlstate, message, hint) values
  ('campaign_criteria_invalid', 'PT422', 'A criterion is not as it should be.', 'See campaign_audience_preview(): fields, operators and values.'),
  ('campaign_audience_empty', 'PT422', 'Nobody matches who can be reached.', 'Widen the criteria: campaign_audience_preview() counts.'),
  ('campaign_audience_too_large', 'PT413', 'More people match than a campaign may have.', 'Narrow the criteria, or raise campaigns.max_recipients.');

select private.define_setting('campaigns.max_recipients', '200000', 'integer', 'How many people a campaign may reach', 1, 1000000);
