-- Duplicates: leads that may be the same person, merged into one, and taken apart again.
--
-- A merge moves whatever points at the sources, found in the catalogue, so that a table made tomorrow is
-- moved too, and remembers every row as it was. What nobody has touched since goes back byte for byte.

-- Tables

create table public.lead_merges (
  id uuid primary key default private.uuid_v7(),
  target_id uuid not null references public.leads (id) on delete cascade,
  source_ids uuid[] not null,
  field_choices jsonb not null default '{}',
  merged_by uuid references public.profiles (id) on delete set null,
  merged_at timestamptz not null default now(),
  unmerged_by uuid references public.profiles (id) on delete set null,
  unmerged_at timestamptz,
  constraint lead_merges_have_sources check (cardinality(source_ids) between 1 and 20),
  constraint lead_merges_field_choices_are_an_object check (jsonb_typeof(field_choices) = 'object')
);

comment on table public.lead_merges is 'Which leads were merged into which, by whom, and whether that was undone. Visible where the target is.';

create index lead_merges_of_target on public.lead_merges (target_id, merged_at desc);

create table private.lead_merge_rows (
  id uuid primary key default private.uuid_v7(),
  merge_id uuid not null references public.lead_merges (id) on delete cascade,
  table_name text not null,
  column_name text not null,
  key jsonb not null,
  before jsonb not null,
  after jsonb
);

comment on table private.lead_merge_rows is 'Each row that a merge changed, as it was and as the merge left it. An empty column_name is a lead itself.';

create index lead_merge_rows_of_merge on private.lead_merge_rows (merge_id);

-- Policies

alter table public.lead_merges enable row level security;

alter table private.lead_merge_rows enable row level security;

create policy lead_merges_read on public.lead_merges for select to authenticated
  using ((select l.id from public.leads l where l.id = lead_merges.target_id) is not null);

comment on policy lead_merges_read on public.lead_merges is 'Where the target is visible. Always read by target_id.';

-- Functions

create function private.lead_children() returns table (child regclass, child_column text)
language plpgsql stable security definer set search_path = '' as $$
begin
  return query
  select k.conrelid::regclass, a.attname::text
  from pg_catalog.pg_constraint k
  join pg_catalog.pg_attribute a on a.attrelid = k.conrelid and a.attnum = k.conkey[1]
  where k.contype = 'f'
    and k.confrelid = 'public.leads'::regclass
    and cardinality(k.conkey) = 1
    and k.conparentid = 0
    and k.conrelid not in ('public.leads'::regclass, 'public.lead_merges'::regclass)
  order by k.conrelid::regclass::text, a.attname;
end
$$;

comment on function private.lead_children() is 'Every column that points at a lead: what a merge moves.';

create function private.row_where(p_key jsonb) returns text
language plpgsql stable security definer set search_path = '' as $$
begin
  return (
    select string_agg(format('t.%I = %L', k.key, k.value), ' and ')
    from jsonb_each_text(p_key) k
  );
end
$$;

comment on function private.row_where(jsonb) is 'WHERE clause of one row, by its primary key.';

create function private.key_of(p_table regclass) returns text
language plpgsql stable security definer set search_path = '' as $$
begin
  return (
    select string_agg(format('%L, t.%I', a.attname, a.attname), ', ' order by a.attnum)
    from pg_catalog.pg_index i
    join pg_catalog.pg_attribute a on a.attrelid = i.indrelid and a.attnum = any (i.indkey)
    where i.indrelid = p_table and i.indisprimary
  );
end
$$;

comment on function private.key_of(regclass) is 'Arguments of jsonb_build_object() that give a row''s primary key.';

create function private.restore_row(p_table regclass, p_before jsonb, p_where text) returns void
language plpgsql volatile security definer set search_path = '' as $$
declare
  assignments text;
begin
  select string_agg(format('%1$I = r.%1$I', a.attname), ', ' order by a.attnum) into assignments
  from pg_catalog.pg_attribute a
  where a.attrelid = p_table and a.attnum > 0 and not a.attisdropped and a.attgenerated = '' and a.attidentity <> 'a' and p_before ? a.attname;

  -- What keeps time and version stands aside: the row comes back as it was.
  perform set_config('intake.restore', 'on', true);

  execute format('update %1$s t set %2$s from jsonb_populate_record(null::%1$s, $1) r where %3$s', p_table, assignments, p_where) using p_before;

  perform set_config('intake.restore', '', true);
end
$$;

comment on function private.restore_row(regclass, jsonb, text) is 'Writes a row back as it was, time and version included; columns that it did not have then stay.';

create function private.mergeable_leads(p_target uuid, p_sources uuid[]) returns void
language plpgsql volatile security definer set search_path = '' as $$
declare
  wanted uuid[] := (select array_agg(distinct s) from unnest(p_sources) s where s is not null);
  reachable integer;
begin
  if p_target is null or coalesce(cardinality(wanted), 0) not between 1 and 20 or p_target = any (wanted) then
    perform private.fail('argument_invalid', 'p_sources takes 1 to 20 leads other than p_target');
  end if;

  -- In one order, so that two merges of the same leads wait instead of deadlocking.
  select count(*) into reachable
  from (
    select l.id
    from public.leads l
    where l.id = any (wanted || p_target)
      and l.deleted_at is null
      and (private.gate_all() is not null or l.team_id = any (private.gate_team()) or l.assigned_to = private.gate_own())
    order by l.id
    for update
  ) l;

  if reachable <> cardinality(wanted) + 1 then
    perform private.fail('lead_not_found');
  end if;
end
$$;

comment on function private.mergeable_leads(uuid, uuid[]) is 'Locks the leads of a merge, or refuses: all must be live and the caller''s to see.';

create function private.merged_fields() returns text[]
language sql immutable set search_path = '' as $$
  select array[
    'salutation', 'first_name', 'last_name', 'email', 'phone', 'organization', 'website', 'job_title', 'industry', 'gender', 'no_of_employees',
    'annual_revenue', 'territory', 'qualification', 'experience', 'course', 'source', 'value'
  ];
$$;

comment on function private.merged_fields() is 'Fields of a lead that a merge may take from a source. Stage, owner and team stay the target''s.';

create function private.merge_has(p_field text, p_lead jsonb, p_currency text) returns boolean
language plpgsql immutable set search_path = '' as $$
begin
  return coalesce(p_lead ->> p_field, '') <> ''
    and (p_field <> 'value' or (p_lead ->> p_field)::numeric <> 0)
    and (p_field not in ('value', 'annual_revenue') or p_lead ->> 'currency' = p_currency);
end
$$;

comment on function private.merge_has(text, jsonb, text) is 'Whether a lead has something in a field that a merge may take: text, a value other than nothing, an amount in the target''s currency.';

create function private.merge_choice(p_field text, p_target jsonb, p_sources jsonb[], p_choices jsonb) returns jsonb
language plpgsql immutable set search_path = '' as $$
declare
  currency constant text := p_target ->> 'currency';
  chosen jsonb;
begin
  if p_choices ? p_field then
    select r -> p_field into chosen
    from unnest(p_sources || p_target) r
    where r ->> 'id' = p_choices ->> p_field and (p_field not in ('value', 'annual_revenue') or r ->> 'currency' = currency);

    if not found then
      perform private.fail('argument_invalid', 'p_field_choices.' || p_field);
    end if;

    return chosen;
  end if;

  -- The target's own, else what the sources have, in the order given.
  return coalesce(
    (select r -> p_field from unnest(array_prepend(p_target, p_sources)) with ordinality s (r, place) where private.merge_has(p_field, r, currency) order by place limit 1),
    p_target -> p_field
  );
end
$$;

comment on function private.merge_choice(text, jsonb, jsonb[], jsonb) is 'The value of a field after a merge.';

create function private.merge_preview(p_target uuid, p_sources uuid[], p_field_choices jsonb) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
  target jsonb;
  sources jsonb[];
  children jsonb := '{}';
  entry record;
  moving integer;
begin
  perform private.require_permission('leads.merge');
  perform private.mergeable_leads(p_target, p_sources);

  select to_jsonb(l) into target from public.leads l where l.id = p_target;
  select array_agg(to_jsonb(l) order by array_position(p_sources, l.id)) into sources from public.leads l where l.id = any (p_sources);

  for entry in select c.child, c.child_column from private.lead_children() c loop
    execute format('select count(*) from %s t where t.%I = any ($1)', entry.child, entry.child_column) into moving using p_sources;

    if moving > 0 then
      children := children || jsonb_build_object(
        regexp_replace(entry.child::text, '^(public|private)\.', ''), moving + coalesce((children ->> entry.child::text)::integer, 0)
      );
    end if;
  end loop;

  return jsonb_build_object(
    'target', jsonb_build_object('id', p_target, 'lead_id', target ->> 'lead_id', 'name', target ->> 'name'),
    'sources', (select jsonb_agg(jsonb_build_object('id', s -> 'id', 'lead_id', s -> 'lead_id', 'name', s -> 'name')) from unnest(sources) s),
    'fields', (
      select jsonb_agg(jsonb_build_object(
        'field', f,
        'result', private.merge_choice(f, target, sources, coalesce(p_field_choices, '{}')),
        'target', target -> f,
        'sources', (select jsonb_object_agg(s ->> 'id', s -> f) from unnest(sources) s),
        'is_conflict', (select count(distinct s -> f) > 1 from unnest(sources || target) s where private.merge_has(f, s, target ->> 'currency'))
      ) order by place)
      from unnest(private.merged_fields()) with ordinality m (f, place)
    ),
    'children', children
  );
end
$$;

comment on function private.merge_preview(uuid, uuid[], jsonb) is 'Body of public.merge_preview().';

create function private.merge_leads(p_target uuid, p_sources uuid[], p_field_choices jsonb) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
  choices jsonb := coalesce(p_field_choices, '{}');
  target jsonb;
  sources jsonb[];
  source_ids uuid[];
  result jsonb := '{}';
  merge uuid;
  entry record;
  field text;
  child_row record;
  condition text;
  changed jsonb;
  moved integer := 0;
begin
  perform private.require_permission('leads.merge');

  if jsonb_typeof(choices) <> 'object' or exists (select from jsonb_object_keys(choices) k where k <> all (private.merged_fields())) then
    perform private.fail('argument_invalid', 'p_field_choices');
  end if;

  perform private.mergeable_leads(p_target, p_sources);

  select to_jsonb(l) into target from public.leads l where l.id = p_target;

  select array_agg(to_jsonb(l) order by array_position(p_sources, l.id)), array_agg(l.id order by array_position(p_sources, l.id)) into sources, source_ids
  from public.leads l where l.id = any (p_sources);

  foreach field in array private.merged_fields() loop
    result := result || jsonb_build_object(field, private.merge_choice(field, target, sources, choices));
  end loop;

  insert into public.lead_merges (target_id, source_ids, field_choices, merged_by)
  values (p_target, source_ids, choices, private.gate_own())
  returning id into merge;

  insert into private.lead_merge_rows (merge_id, table_name, column_name, key, before)
  select merge, 'public.leads', '', jsonb_build_object('id', l.id), to_jsonb(l)
  from public.leads l
  where l.id = any (source_ids || p_target);

  -- First the sources go, so that their addresses are free for the target.
  update public.leads l set deleted_at = now(), merged_into = p_target where l.id = any (source_ids);

  for entry in select c.child, c.child_column from private.lead_children() c loop
    for child_row in execute format(
      'select jsonb_build_object(%s) as key, to_jsonb(t) as before from %s t where t.%I = any ($1)', private.key_of(entry.child), entry.child, entry.child_column
    ) using source_ids loop
      condition := private.row_where(child_row.key);

      begin
        execute format('update %s t set %I = $1 where %s', entry.child, entry.child_column, condition) using p_target;
      exception when unique_violation then
        -- The target has one of its own, and a second may not be: this one stays with its source.
        continue;
      end;

      insert into private.lead_merge_rows (merge_id, table_name, column_name, key, before)
      values (merge, entry.child::text, entry.child_column, child_row.key, child_row.before);

      moved := moved + 1;
    end loop;
  end loop;

  update public.leads l
  set (salutation, first_name, last_name, email, phone, organization, website, job_title, industry, gender, no_of_employees,
      annual_revenue, territory, qualification, experience, course, source, value) = (
      select r.salutation, coalesce(r.first_name, ''), coalesce(r.last_name, ''), r.email, r.phone, r.organization, r.website, r.job_title, r.industry, r.gender, r.no_of_employees,
        r.annual_revenue, r.territory, r.qualification, r.experience, r.course, r.source, r.value
      from jsonb_populate_record(null::public.leads, result) r
    ),
    tags = (select coalesce(array_agg(distinct tag), '{}') from (select unnest(x.tags) as tag from public.leads x where x.id = any (source_ids || p_target) limit 50) t),
    custom_fields = (select coalesce(jsonb_object_agg(f.key, f.value), '{}') from (
      select distinct on (e.key) e.key, e.value
      from public.leads x cross join jsonb_each(x.custom_fields) e
      where x.id = any (source_ids || p_target)
      order by e.key, (x.id = p_target) desc, array_position(source_ids, x.id)
    ) f),
    enquiries_count = (select sum(x.enquiries_count) from public.leads x where x.id = any (source_ids || p_target)),
    last_enquiry_at = (select max(x.last_enquiry_at) from public.leads x where x.id = any (source_ids || p_target)),
    last_interaction_at = (select max(x.last_interaction_at) from public.leads x where x.id = any (source_ids || p_target)),
    max_stage = (select max(x.max_stage) from public.leads x where x.id = any (source_ids || p_target)),
    (deal_id, converted_at) = (
      select x.deal_id, x.converted_at
      from public.leads x
      where x.id = any (source_ids || p_target)
      order by x.deal_id is null, x.converted_at is null, x.id = p_target desc, array_position(source_ids, x.id)
      limit 1
    )
  where l.id = p_target;

  -- Addresses that lost stay known as this person's.
  insert into public.lead_identities (lead_id, kind, value, label)
  select distinct p_target, v.kind, v.value, 'Merged'
  from public.leads x
  cross join lateral (values ('email', x.email), ('phone', x.phone)) v (kind, value)
  join public.leads t on t.id = p_target
  where x.id = any (source_ids || p_target)
    and v.value is not null
    and v.value is distinct from t.email
    and v.value is distinct from t.phone
    and not exists (select from public.lead_identities i where i.lead_id = p_target and i.value = v.value);

  perform private.record_activity(
    'merged', 'Leads Merged', (select string_agg(s ->> 'lead_id', ', ') from unnest(sources) s),
    p_lead_id => p_target, p_source_id => merge, p_metadata => jsonb_build_object('merge_id', merge)
  );

  -- As the merge leaves them, whatever the triggers of others added.
  for entry in select m.id, m.table_name::regclass as child, m.key from private.lead_merge_rows m where m.merge_id = merge loop
    execute format('select to_jsonb(t) from %s t where %s', entry.child, private.row_where(entry.key)) into changed;

    update private.lead_merge_rows m set after = changed where m.id = entry.id;
  end loop;

  return jsonb_build_object('merge_id', merge, 'id', p_target, 'lead_id', target ->> 'lead_id', 'merged', to_jsonb(source_ids), 'moved', moved);
end
$$;

comment on function private.merge_leads(uuid, uuid[], jsonb) is 'Body of public.merge_leads().';

create function private.give_back(p_before jsonb, p_after jsonb) returns void
language plpgsql volatile security definer set search_path = '' as $$
declare
  now_is jsonb;
  given jsonb;
begin
  select to_jsonb(l) into now_is from public.leads l where l.id = (p_before ->> 'id')::uuid;

  -- The furthest stage may have been reached again since.
  select coalesce(jsonb_object_agg(b.key, b.value), '{}') into given
  from jsonb_each(p_before) b
  where b.value is distinct from p_after -> b.key
    and now_is -> b.key = p_after -> b.key
    and (b.key <> 'max_stage' or now_is -> 'status' = p_before -> 'status');

  -- Of lists that others added to, what the merge had added.
  update public.leads l
  set (salutation, first_name, last_name, email, phone, organization, website, job_title, industry, gender, no_of_employees, annual_revenue, territory,
      qualification, experience, course, source, value, last_enquiry_at, last_interaction_at, max_stage, deal_id, converted_at) = (
      select r.salutation, r.first_name, r.last_name, r.email, r.phone, r.organization, r.website, r.job_title, r.industry, r.gender, r.no_of_employees, r.annual_revenue, r.territory,
        r.qualification, r.experience, r.course, r.source, r.value, r.last_enquiry_at, r.last_interaction_at, r.max_stage, r.deal_id, r.converted_at
      from jsonb_populate_record(l, given) r
    ),
    tags = array(
      select t.tag from unnest(l.tags) with ordinality t (tag, place)
      where not (p_after -> 'tags' ? t.tag and not p_before -> 'tags' ? t.tag)
      order by t.place
    ),
    custom_fields = (
      select coalesce(jsonb_object_agg(f.key, f.value), '{}') from jsonb_each(l.custom_fields) f
      where not (p_after -> 'custom_fields' -> f.key is not distinct from f.value and not p_before -> 'custom_fields' ? f.key)
    ),
    enquiries_count = greatest(1, l.enquiries_count - (p_after ->> 'enquiries_count')::integer + (p_before ->> 'enquiries_count')::integer)
  where l.id = (p_before ->> 'id')::uuid;
end
$$;

comment on function private.give_back(jsonb, jsonb) is 'Of the target of a merge that was changed since: its own later changes stay, and whatever it took from the sources and still has goes back to them.';

create function private.unmerge(p_merge_id uuid) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
  merge public.lead_merges;
  entry record;
  now_is jsonb;
  touched jsonb := '[]';
  restored integer := 0;
begin
  perform private.require_permission('leads.merge');

  -- The lead first, as merging and erasing do, so that they wait instead of deadlocking.
  perform from public.leads l
  where l.id = (select m.target_id from public.lead_merges m where m.id = p_merge_id)
    and l.deleted_at is null
    and (private.gate_all() is not null or l.team_id = any (private.gate_team()) or l.assigned_to = private.gate_own())
  for update;

  if found then
    select * into merge from public.lead_merges m where m.id = p_merge_id for update;
  end if;

  if merge.id is null then
    perform private.fail('not_found', 'merge');
  end if;

  if merge.unmerged_at is not null then
    perform private.fail('merge_is_undone');
  end if;

  -- A row somebody changed since is theirs: it stays, and is named.
  for entry in select m.* from private.lead_merge_rows m where m.merge_id = p_merge_id order by m.id loop
    execute format('select to_jsonb(t) from %s t where %s', entry.table_name::regclass, private.row_where(entry.key)) into now_is;

    -- A score that rules or time moved is nobody's.
    if now_is - 'score' is distinct from entry.after - 'score' then
      touched := touched || jsonb_build_object('table', regexp_replace(entry.table_name, '^(public|private)\.', ''), 'key', entry.key);
    end if;
  end loop;

  delete from public.lead_identities i
  where i.lead_id = merge.target_id and i.label = 'Merged' and i.created_at = merge.merged_at;

  perform private.retract_activity(p_merge_id);

  -- The target first gives the addresses back, then the sources return, then what belongs to them.
  for entry in
    select m.*
    from private.lead_merge_rows m
    where m.merge_id = p_merge_id
    order by (m.column_name <> ''), ((m.key ->> 'id') is distinct from merge.target_id::text), m.id
  loop
    if entry.column_name = '' and (entry.key ->> 'id')::uuid <> merge.target_id then
      perform private.restore_row('public.leads', entry.before, private.row_where(entry.key));
    elsif not touched @> jsonb_build_array(jsonb_build_object('table', regexp_replace(entry.table_name, '^(public|private)\.', ''), 'key', entry.key)) then
      perform private.restore_row(entry.table_name::regclass, entry.before, private.row_where(entry.key));
    elsif entry.column_name <> '' then
      -- Changed since, yet its lead is back: it belongs there again.
      execute format('update %s t set %I = $1 where %s', entry.table_name::regclass, entry.column_name, private.row_where(entry.key))
        using (entry.before ->> entry.column_name)::uuid;
    else
      perform private.give_back(entry.before, entry.after);
    end if;

    restored := restored + 1;
  end loop;

  update public.lead_merges m set unmerged_at = now(), unmerged_by = private.gate_own() where m.id = p_merge_id;

  return jsonb_build_object('merge_id', p_merge_id, 'restored', restored, 'changed_since', touched);
end
$$;

comment on function private.unmerge(uuid) is 'Body of public.unmerge().';

create function private.find_duplicates(p_person jsonb, p_limit integer) returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
  person_email text;
  person_phone text;
  person_name text := lower(btrim(regexp_replace(coalesce(p_person ->> 'name', concat_ws(' ', p_person ->> 'first_name', p_person ->> 'last_name')), '\s+', ' ', 'g')));
  itself uuid;
  candidates jsonb;
begin
  if private.gate_own() is null then
    perform private.fail('account_inactive');
  end if;

  if jsonb_typeof(p_person) is distinct from 'object' or p_limit is null or p_limit not between 1 and 50 then
    perform private.fail('argument_invalid', 'p_person is an object, p_limit between 1 and 50');
  end if;

  itself := (p_person ->> 'id')::uuid;
  person_email := private.normalize_email(p_person ->> 'email');
  person_phone := private.normalize_phone(p_person ->> 'phone');

  -- Candidates by each key in the caller's scope, as plans of their own; the score says how sure it is.
  execute format($query$
    with hits as (
      select l.id, 'same e-mail' as reason, 60 as points from public.leads l where l.email = $1 and l.deleted_at is null and %1$s
      union all
      select l.id, 'same phone', 50 from public.leads l where l.phone = $2 and l.deleted_at is null and %1$s
      union all
      select l.id, 'same further address', 45
      from public.lead_identities i join public.leads l on l.id = i.lead_id
      where i.value in ($1, $2) and l.deleted_at is null and %1$s
      union all
      (select l.id, 'similar name', (extensions.similarity(lower(l.name), $3) * 30)::integer
      from public.leads l
      where $3 <> '' and $3 operator(extensions.<%%) l.search_text and extensions.similarity(lower(l.name), $3) >= 0.3 and l.deleted_at is null and %1$s
      order by extensions.similarity(lower(l.name), $3) desc
      limit 200)
    ), scored as (
      select h.id, sum(h.points) as points, array_agg(h.reason) as reasons, bool_or(h.reason <> 'similar name') as is_strong
      from (select distinct on (hits.id, hits.reason) hits.* from hits order by hits.id, hits.reason, hits.points desc) h
      group by h.id
    ), weighed as (
      select l.*, s.points + case when weak.reasons is null then 0 else 10 * cardinality(weak.reasons) end as points, s.reasons || coalesce(weak.reasons, '{}') as reasons
      from scored s
      join public.leads l on l.id = s.id
      cross join lateral (
        select array_agg(w.reason) as reasons
        from (values ('same course', lower(l.course) = lower($4)), ('same organisation', lower(l.organization) = lower($5)), ('same place', lower(l.territory) = lower($6))) w (reason, holds)
        where w.holds
      ) weak
      -- A name alone is no duplicate: it takes one weak key beside it.
      where (s.is_strong or weak.reasons is not null) and l.id is distinct from $7
    )
    select coalesce(jsonb_agg(jsonb_build_object(
      'id', w.id, 'lead_id', w.lead_id, 'name', w.name, 'email', w.email, 'phone', w.phone, 'status', w.status, 'assigned_to', w.assigned_to,
      'score', least(100, w.points), 'reasons', to_jsonb(w.reasons)
    ) order by w.points desc, w.created_at desc), '[]')
    from (select * from weighed order by points desc, created_at desc limit $8) w
  $query$, private.scope_filter('l'))
  into candidates
  using person_email, person_phone, person_name, p_person ->> 'course', p_person ->> 'organization', p_person ->> 'territory', itself, p_limit;

  return candidates;
end
$$;

comment on function private.find_duplicates(jsonb, integer) is 'Body of public.find_duplicates(): a definer because trigram matching cannot use its index under row level security; the caller''s scope is in the query.';

-- RPCs

create function public.find_duplicates(p_person jsonb, p_limit integer default 10) returns jsonb
language sql stable security invoker set search_path = '' as $$
  select private.find_duplicates(p_person, p_limit);
$$;

comment on function public.find_duplicates(jsonb, integer) is 'Leads the caller may see that may be this person: {name or first_name and last_name, email, phone, course, organization, territory, id (not this one)}. Answers [{id, lead_id, name, email, phone, status, assigned_to, score 0 to 100, reasons[]}], the surest first. Errors: argument_invalid, email_invalid, phone_invalid.';

create function public.merge_preview(p_target uuid, p_sources uuid[], p_field_choices jsonb default '{}') returns jsonb
language sql volatile security invoker set search_path = '' as $$
  select private.merge_preview(p_target, p_sources, p_field_choices);
$$;

comment on function public.merge_preview(uuid, uuid[], jsonb) is 'What merge_leads() would do: {target, sources[], fields[{field, result, target, sources{id: value}, is_conflict}], children{table: rows that move}}. Changes nothing. Needs leads.merge. Errors: permission_denied, argument_invalid, lead_not_found.';

create function public.merge_leads(p_target uuid, p_sources uuid[], p_field_choices jsonb default '{}') returns jsonb
language sql volatile security invoker set search_path = '' as $$
  select private.merge_leads(p_target, p_sources, p_field_choices);
$$;

comment on function public.merge_leads(uuid, uuid[], jsonb) is 'Merges 1 to 20 leads into the target: whatever belongs to them moves, the target keeps its own values and takes what it lacks, amounts in its own currency only; p_field_choices {field: lead id} decides otherwise. Answers {merge_id, id, lead_id, merged[], moved}. Needs leads.merge. Errors: permission_denied, argument_invalid, lead_not_found.';

create function public.unmerge(p_merge_id uuid) returns jsonb
language sql volatile security invoker set search_path = '' as $$
  select private.unmerge(p_merge_id);
$$;

comment on function public.unmerge(uuid) is 'Takes a merge apart: every row that nobody touched since is as it was before, byte for byte; the others are named in changed_since[{table, key}] and keep their changes. Answers {merge_id, restored, changed_since[]}. Needs leads.merge. Errors: permission_denied, not_found, merge_is_undone, person_known (another lead has an address of one that would come back).';

-- Grants

revoke all on public.lead_merges from anon, authenticated, service_role;

revoke all on private.lead_merge_rows from anon, authenticated, service_role;

grant select on public.lead_merges to authenticated;

grant select, insert, update, delete on public.lead_merges to service_role;

revoke all on function private.lead_children() from public, anon, authenticated, service_role;

revoke all on function private.row_where(jsonb) from public, anon, authenticated, service_role;

revoke all on function private.key_of(regclass) from public, anon, authenticated, service_role;

revoke all on function private.restore_row(regclass, jsonb, text) from public, anon, authenticated, service_role;

revoke all on function private.mergeable_leads(uuid, uuid[]) from public, anon, authenticated, service_role;

revoke all on function private.merged_fields() from public, anon, authenticated, service_role;

revoke all on function private.merge_has(text, jsonb, text) from public, anon, authenticated, service_role;

revoke all on function private.merge_choice(text, jsonb, jsonb[], jsonb) from public, anon, authenticated, service_role;

revoke all on function private.merge_preview(uuid, uuid[], jsonb) from public, anon, authenticated, service_role;

grant execute on function private.merge_preview(uuid, uuid[], jsonb) to authenticated;

revoke all on function private.merge_leads(uuid, uuid[], jsonb) from public, anon, authenticated, service_role;

grant execute on function private.merge_leads(uuid, uuid[], jsonb) to authenticated;

revoke all on function private.give_back(jsonb, jsonb) from public, anon, authenticated, service_role;

revoke all on function private.unmerge(uuid) from public, anon, authenticated, service_role;

grant execute on function private.unmerge(uuid) to authenticated;

revoke all on function private.find_duplicates(jsonb, integer) from public, anon, authenticated, service_role;

grant execute on function private.find_duplicates(jsonb, integer) to authenticated;

revoke all on function public.find_duplicates(jsonb, integer) from public, anon, authenticated, service_role;

grant execute on function public.find_duplicates(jsonb, integer) to authenticated;

revoke all on function public.merge_preview(uuid, uuid[], jsonb) from public, anon, authenticated, service_role;

grant execute on function public.merge_preview(uuid, uuid[], jsonb) to authenticated;

revoke all on function public.merge_leads(uuid, uuid[], jsonb) from public, anon, authenticated, service_role;

grant execute on function public.merge_leads(uuid, uuid[], jsonb) to authenticated;

revoke all on function public.unmerge(uuid) from public, anon, authenticated, service_role;

grant execute on function public.unmerge(uuid) to authenticated;

-- This module's permission and error

insert into public.permissions (key, description) values
  ('leads.merge', 'Merge leads that are one person');

insert into public.role_permissions (role_id, permission)
select r.id, 'leads.merge' from public.roles r where r.key = 'manager';

insert into public.error_codes (code, sqlstate, message, hint) values
  ('merge_is_undone', 'PT409', 'This merge was undone already.', null);
