-- The commit of an import.
--
-- Rows of people nobody knows are written together, in as few statements as there are tables; a row of a known
-- person goes by itself, when those are written, and becomes an enquiry. Both ways leave the same.

-- Functions

create function private.import_home(out team_id uuid, out owner_id uuid)
language plpgsql stable security definer set search_path = '' as $$
begin
  if private.gate_all() is null then
    team_id := (private.gate_team())[1];

    if team_id is null then
      owner_id := private.gate_own();
      team_id := private.team_of(owner_id);
    end if;
  end if;
end
$$;

comment on function private.import_home() is 'Whose a lead is for which the file names nobody: the importer''s team''s, or else theirs, as of any lead they enter; of whoever sees everything, nobody''s yet.';

create function private.import_write_row(p_import_id uuid, p_row integer) returns void
language plpgsql volatile security definer set search_path = '' as $$
declare
  entry private.import_rows;
  began constant uuid := private.uuid_v7();
  row_source text;
  reference text;
  known uuid;
  lead public.leads;
  given jsonb;
  home record;
  taker uuid;
  taker_team uuid;
  rule text;
begin
  select * into entry from private.import_rows r where r.import_id = p_import_id and r.row_no = p_row;

  given := entry.fields;
  row_source := coalesce(given ->> 'source', 'Import');
  reference := entry.external_id;

  perform private.lock_person(entry.email, entry.phone, row_source || ' ' || reference);

  select e.lead_id into known
  from public.lead_enquiries e
  join public.leads l on l.id = e.lead_id and l.deleted_at is null
  where e.source = row_source and e.external_id = reference;

  if known is not null then
    update private.import_rows r set outcome = 'skipped', target_id = known, first_id = began, last_id = private.uuid_v7() where r.import_id = p_import_id and r.row_no = p_row;
    return;
  end if;

  -- The enquiry of a lead that is deleted has the reference: this one needs another.
  if exists (select from public.lead_enquiries e where e.source = row_source and e.external_id = reference) then
    reference := reference || ':' || p_import_id || ':' || p_row;
  end if;

  known := private.hold_person(entry.email, entry.phone);

  if known is not null then
    select * into lead from public.leads l where l.id = known;

    perform private.record_enquiry(known, row_source, 'import', reference, given || jsonb_build_object('import_id', p_import_id, 'row', p_row));

    update private.import_rows r
    set outcome = 'enquiry', target_id = known, external_id = reference, before = to_jsonb(lead), first_id = began, last_id = private.uuid_v7(),
      version_after = (select l.version from public.leads l where l.id = known)
    where r.import_id = p_import_id and r.row_no = p_row;

    return;
  end if;

  if given ? 'assigned_to' and not private.may_assign_to((given ->> 'assigned_to')::uuid) then
    perform private.fail('assignee_unavailable', given ->> 'assigned_to');
  end if;

  select * into home from private.import_home();

  if not given ? 'assigned_to' and home.owner_id is null then
    select t.takers[1], t.teams[1], t.rules[1] into taker, taker_team, rule
    from private.take_turns(array[home.team_id], array[row_source], array[given ->> 'course'], array[given ->> 'territory']) t;
  end if;

  perform set_config('intake.enquiry', jsonb_build_object(
    'channel', 'import', 'external_id', reference, 'payload', jsonb_build_object('import_id', p_import_id, 'row', p_row)
  )::text, true);

  insert into public.leads (
    salutation, first_name, last_name, name, email, phone, organization, website, job_title, industry, gender, no_of_employees,
    annual_revenue, territory, qualification, experience, course, source, status, value, currency, tags, custom_fields, assigned_to,
    team_id
  ) values (
    given ->> 'salutation', coalesce(given ->> 'first_name', ''), coalesce(given ->> 'last_name', ''), coalesce(given ->> 'name', ''),
    given ->> 'email', given ->> 'phone', given ->> 'organization', given ->> 'website', given ->> 'job_title', given ->> 'industry',
    given ->> 'gender', given ->> 'no_of_employees', (given ->> 'annual_revenue')::numeric, given ->> 'territory',
    given ->> 'qualification', (given ->> 'experience')::numeric, given ->> 'course', row_source, coalesce(given ->> 'status', ''),
    coalesce((given ->> 'value')::numeric, 0), coalesce(given ->> 'currency', ''),
    array(select jsonb_array_elements_text(coalesce(given -> 'tags', '[]'))), coalesce(given -> 'custom_fields', '{}'), coalesce((given ->> 'assigned_to')::uuid, home.owner_id, taker),
    case when taker is not null then taker_team when not given ? 'assigned_to' then home.team_id end
  ) returning * into lead;

  perform private.record_turns(array[lead.id], array[taker], array[taker_team], array[rule]);

  perform set_config('intake.enquiry', '', true);

  update private.import_rows r
  set outcome = 'created', target_id = lead.id, external_id = reference, first_id = began, last_id = private.uuid_v7(),
    -- After the triggers: whoever it was given to, it is as the import leaves it.
    version_after = (select l.version from public.leads l where l.id = lead.id)
  where r.import_id = p_import_id and r.row_no = p_row;
end
$$;

comment on function private.import_write_row(uuid, integer) is 'Writes one row: a lead, an enquiry of a known one, or nothing if the row was imported before.';

create function private.import_write_one(p_import_id uuid, p_row integer) returns void
language plpgsql volatile security definer set search_path = '' as $$
declare
  said text;
  what text;
begin
  for attempt in 1 .. 3 loop
    begin
      perform private.import_write_row(p_import_id, p_row);

      return;
    exception when others then
      -- Somebody wrote the same person at this moment: the next look finds them.
      continue when sqlstate = '23505' and attempt < 3;

      -- What the next attempt may do better ends the chunk; what the row itself is wrong about ends the row.
      if sqlstate not like 'PT4%' and sqlstate not like '22%' and sqlstate not like '23%' then
        raise;
      end if;

      get stacked diagnostics said = pg_exception_detail, what = constraint_name;

      update private.import_rows r
      set outcome = 'failed',
        first_id = private.uuid_v7(),
        last_id = private.uuid_v7(),
        code = case when sqlstate like 'PT4%' then split_part(said, ':', 1) else 'row_refused' end,
        detail = case when sqlstate like 'PT4%' then null else nullif(what, '') end
      where r.import_id = p_import_id and r.row_no = p_row;
    end;
  end loop;
end
$$;

comment on function private.import_write_one(uuid, integer) is 'Writes one row as import_write_row() does; a row that is refused is marked.';

create function private.import_write_new(p_import_id uuid, p_rows integer[], p_teams jsonb, p_stages jsonb) returns void
language plpgsql volatile security definer set search_path = '' as $$
declare
  caller private.caller;
  first_stage text := private.first_stage();
  own_currency text := coalesce(private.setting('organization.currency') #>> '{}', 'INR');
  by_email boolean := coalesce((private.setting('leads.unique_email'))::boolean, true);
  by_phone boolean := coalesce((private.setting('leads.unique_phone'))::boolean, true);
  home record;
  -- Those for whom the file names nobody, and who takes them.
  waiting record;
  turns record;
begin
  select * into caller from private.caller;

  select * into home from private.import_home();

  select array_agg(r.target_id order by r.row_no) as leads, array_agg(home.team_id order by r.row_no) as teams,
    array_agg(coalesce(r.fields ->> 'source', 'Import') order by r.row_no) as sources,
    array_agg(r.fields ->> 'course' order by r.row_no) as courses, array_agg(r.fields ->> 'territory' order by r.row_no) as territories
  into waiting
  from private.import_rows r
  where r.import_id = p_import_id and r.row_no = any (p_rows) and not r.fields ? 'assigned_to' and home.owner_id is null;

  if waiting.leads is not null then
    select * into turns from private.take_turns(waiting.teams, waiting.sources, waiting.courses, waiting.territories);
  else
    select '{}'::uuid[] as takers, '{}'::uuid[] as teams, '{}'::text[] as rules into turns;
  end if;

  perform set_config('intake.prepared', 'on', true);

  insert into public.leads (
    id, lead_no, salutation, first_name, last_name, name, email, phone, organization, website, job_title, industry, gender, no_of_employees,
    annual_revenue, territory, qualification, experience, course, source, status, max_stage, value, currency, tags, custom_fields,
    email_slot, phone_slot, assigned_to, team_id, created_by
  ) overriding system value
  select
    n.target_id, n.lead_no, n.f ->> 'salutation', coalesce(n.f ->> 'first_name', ''), coalesce(n.f ->> 'last_name', ''), coalesce(n.f ->> 'name', ''),
    n.f ->> 'email', n.f ->> 'phone', n.f ->> 'organization', n.f ->> 'website', n.f ->> 'job_title', n.f ->> 'industry', n.f ->> 'gender',
    n.f ->> 'no_of_employees', (n.f ->> 'annual_revenue')::numeric, n.f ->> 'territory', n.f ->> 'qualification', (n.f ->> 'experience')::numeric,
    n.f ->> 'course', coalesce(n.f ->> 'source', 'Import'), n.stage, (p_stages ->> n.stage)::smallint, coalesce((n.f ->> 'value')::numeric, 0),
    coalesce(n.f ->> 'currency', own_currency),
    case when n.f ? 'tags' then array(select jsonb_array_elements_text(n.f -> 'tags')) else '{}' end, coalesce(n.f -> 'custom_fields', '{}'),
    case when by_email or n.f -> 'email' is null then 0 else n.lead_no end, case when by_phone or n.f -> 'phone' is null then 0 else n.lead_no end,
    coalesce(n.owner_id, home.owner_id, n.taker),
    case when n.owner_id is not null then (p_teams ->> n.owner_id::text)::uuid when n.taker is not null then n.taker_team else home.team_id end, caller.id
  from (
    select r.target_id, r.fields as f, coalesce(r.fields ->> 'status', first_stage) as stage, (r.fields ->> 'assigned_to')::uuid as owner_id,
      t.taker, t.team_id as taker_team, nextval('public.leads_lead_no_seq') as lead_no
    from private.import_rows r
    left join unnest(waiting.leads, turns.takers, turns.teams) t (lead_id, taker, team_id) on t.lead_id = r.target_id
    where r.import_id = p_import_id and r.row_no = any (p_rows)
    order by r.row_no
  ) n;

  perform set_config('intake.prepared', '', true);

  with written as (
    update private.import_rows r
    set outcome = 'created',
      -- After the triggers: whoever it was given to, it is as the import leaves it.
      version_after = (select l.version from public.leads l where l.id = r.target_id)
    where r.import_id = p_import_id and r.row_no = any (p_rows)
    returning r.row_no, r.target_id, r.external_id, r.fields ->> 'source' as source
  )
  insert into public.lead_enquiries (lead_id, source, channel, external_id, payload, created_by)
  select w.target_id, coalesce(w.source, 'Import'), 'import', w.external_id, jsonb_build_object('import_id', p_import_id, 'row', w.row_no), caller.id
  from written w;

  perform private.record_turns(waiting.leads, turns.takers, turns.teams, turns.rules);
end
$$;

comment on function private.import_write_new(uuid, integer[], jsonb, jsonb) is 'Writes rows of people nobody knows, each with an owner in p_teams or none and a stage in p_stages, in two statements: what prepare_lead(), recognize_person() and record_first_enquiry() do of each lead is done here of all.';

create function private.import_commit_chunk(p_import public.imports, p_from integer, p_to integer, out totals jsonb, out singles integer)
language plpgsql volatile security definer set search_path = '' as $$
declare
  sees_all boolean := private.gate_all() is not null;
  teams jsonb;
  stages jsonb;
  fresh integer[];
begin
  perform set_config('intake.importing', p_import.id::text, true);

  select coalesce(jsonb_object_agg(p.id, private.team_of(p.id)), '{}') into teams
  from (
    select distinct (r.fields ->> 'assigned_to')::uuid as id
    from private.import_rows r
    where r.import_id = p_import.id and r.row_no between p_from and p_to and r.fields ? 'assigned_to'
  ) o
  join public.profiles p on p.id = o.id
  -- Who sees everything gives to everybody: that need not be asked for each.
  where p.is_active and (sees_all or private.may_assign_to(p.id));

  select jsonb_object_agg(s.key, case when s.is_won or not s.is_closed then s.position else 0 end) into stages from public.pipeline_stages s;

  -- By the dry run they are all different people; whom somebody else wrote since is known, and waits for the end.
  select array_agg(c.row_no) filter (where c.is_fresh), count(*) filter (where not c.is_fresh) into fresh, singles
  from (
    select r.row_no, (
      r.decision = 'new'
      and (r.fields -> 'status' is null or stages ? (r.fields ->> 'status'))
      and (r.fields -> 'assigned_to' is null or teams ? (r.fields ->> 'assigned_to'))
      -- Scalars, because a join might be planned for tables as small as they once were.
      and (select e.id from public.lead_enquiries e where e.source = coalesce(r.fields ->> 'source', 'Import') and e.external_id = r.external_id) is null
      and (select l.id from public.leads l where l.email = r.email and l.email_slot = 0 and l.deleted_at is null) is null
      and (select l.id from public.leads l where l.phone = r.phone and l.phone_slot = 0 and l.deleted_at is null) is null
      and (select i.id from public.lead_identities i where i.value in (r.email, r.phone) limit 1) is null
    ) as is_fresh
    from private.import_rows r
    where r.import_id = p_import.id and r.row_no between p_from and p_to and r.decision in ('new', 'enquiry', 'duplicate') and r.outcome is null
    offset 0
  ) c;

  if fresh is not null then
    begin
      perform private.import_write_new(p_import.id, fresh, teams, stages);

      totals := jsonb_build_object('created', cardinality(fresh));
    exception when others then
      -- One of them is wrong, or somebody else wrote them at this moment: one by one it shows which.
      if sqlstate not like 'PT4%' and sqlstate not like '22%' and sqlstate not like '23%' then
        raise;
      end if;

      singles := singles + cardinality(fresh);
    end;
  end if;

  perform set_config('intake.importing', '', true);
end
$$;

comment on function private.import_commit_chunk(public.imports, integer, integer) is 'Writes the rows of a chunk that are people nobody knows, together; answers how many, and how many are left to go one by one.';

create function private.import_commit_singles(p_import public.imports, p_from integer, p_to integer) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
  due integer[];
  row_no integer;
begin
  perform set_config('intake.importing', p_import.id::text, true);

  due := array(
    select r.row_no
    from private.import_rows r
    where r.import_id = p_import.id and r.row_no between p_from and p_to and r.decision in ('new', 'enquiry', 'duplicate') and r.outcome is null
    order by r.row_no
    limit private.import_singles_size()
  );

  foreach row_no in array due loop
    perform private.import_write_one(p_import.id, row_no);
  end loop;

  perform set_config('intake.importing', '', true);

  return (
    select jsonb_object_agg(o.name, o.rows)
    from (
      select case r.outcome when 'enquiry' then 'enquiries' else r.outcome end as name, count(*) as rows
      from private.import_rows r
      where r.import_id = p_import.id and r.row_no = any (due)
      group by r.outcome
    ) o
  );
end
$$;

comment on function private.import_commit_singles(public.imports, integer, integer) is 'Writes the next rows of a chunk that are left, one by one in the file''s order; a row that is refused is marked and the others stand. Answers how many of each outcome.';

create function private.import_tell_owners(p_import public.imports) returns void
language plpgsql volatile security definer set search_path = '' as $$
begin
  perform private.notify(
    o.assigned_to, format('%s imported %s yours', o.leads, case o.leads when 1 then 'lead is' else 'leads are' end), 'Open your lead list to see them.', 'lead', 'normal',
    p_metadata => jsonb_build_object('event', 'leads_imported', 'lead_count', o.leads, 'import_id', p_import.id)
  )
  from (
    select l.assigned_to, count(distinct l.id) as leads
    from private.import_rows r
    join public.leads l on l.id = r.target_id
    where r.import_id = p_import.id and r.outcome in ('created', 'enquiry') and l.assigned_to is not null and l.assigned_to <> p_import.created_by
    group by l.assigned_to
  ) o;

  perform private.notify(
    p_import.created_by, 'Import finished', format('%s rows of %s are in.', p_import.rows_total - coalesce((p_import.results ->> 'failed')::integer, 0), p_import.rows_total), 'info', 'normal',
    p_metadata => jsonb_build_object('event', 'import_finished', 'import_id', p_import.id)
  );
end
$$;

comment on function private.import_tell_owners(public.imports) is 'One notification for each owner of imported leads, however many they are, and one for the importer.';

-- Grants

revoke all on function
  private.import_home(),
  private.import_write_row(uuid, integer),
  private.import_write_one(uuid, integer),
  private.import_write_new(uuid, integer[], jsonb, jsonb),
  private.import_commit_chunk(public.imports, integer, integer),
  private.import_commit_singles(public.imports, integer, integer),
  private.import_tell_owners(public.imports)
  from public, anon, authenticated, service_role;
