-- The dry run of an import: what each staged row says, what is wrong with it, and what the commit would do.
--
-- Nothing but staged rows is written. What a row finds in the database may have changed by the commit, which
-- asks again.

-- Functions

create function private.import_longest(p_field text) returns integer
language sql immutable parallel safe set search_path = '' as $$
  select case p_field
    when 'salutation' then 40 when 'organization' then 300 when 'website' then 2048 when 'job_title' then 200 when 'industry' then 200
    when 'gender' then 40 when 'no_of_employees' then 40 when 'territory' then 200 when 'qualification' then 200 when 'course' then 200
    when 'source' then 100 when 'external_id' then 200
  end
$$;

comment on function private.import_longest(text) is 'How long a field may be that is taken as it stands; null for the others.';

create function private.import_read_row(
  p_cells text[], p_columns integer[], p_fields text[], p_longest integer[], p_defaults jsonb, p_owners jsonb, p_stages jsonb,
  out fields jsonb, out code text, out detail text
)
language plpgsql stable set search_path = '' as $$
declare
  -- Field and text in turn.
  texts text[] := '{}';
  custom jsonb := '{}';
  field text;
  cell text;
begin
  fields := '{}';

  for i in 1 .. cardinality(p_fields) loop
    field := p_fields[i];
    cell := nullif(btrim(p_cells[p_columns[i]], E' \t\r\n\u00a0'), '');

    if cell is null then
      cell := p_defaults ->> field;

      continue when cell is null;
    end if;

    -- A spreadsheet's way of saying "this is no formula", as in our own exports.
    if cell like '''%' and cell ~ '^''[=+@-]' then
      cell := substr(cell, 2);
    end if;

    -- Most are text that is taken as it stands.
    if p_longest[i] is not null then
      if length(cell) > p_longest[i] then
        code := 'value_too_long';
        detail := field;
        return;
      end if;

      texts := texts || array[field, cell];
      continue;
    end if;

    case
      when field in ('first_name', 'last_name', 'name') then
        cell := btrim(regexp_replace(cell, '\s+', ' ', 'g'));

        if length(cell) > (case field when 'name' then 300 else 150 end) then
          code := 'value_too_long';
          detail := field;
          return;
        end if;

        texts := texts || array[field, cell];
      when field in ('email', 'phone') then
        begin
          texts := texts || array[field, case field when 'email' then private.normalize_email(cell) else private.normalize_phone(cell) end];
        exception when sqlstate 'PT422' then
          code := field || '_invalid';
          detail := field;
          return;
        end;
      when field = 'status' then
        if p_stages ->> lower(cell) is null then
          code := 'stage_unknown';
          detail := 'status';
          return;
        end if;

        texts := texts || array[field, p_stages ->> lower(cell)];
      when field = 'assigned_to' then
        if p_owners ->> lower(cell) is null then
          code := 'assignee_unavailable';
          detail := 'assigned_to';
          return;
        end if;

        texts := texts || array[field, p_owners ->> lower(cell)];
      when field in ('annual_revenue', 'value', 'experience') then
        cell := replace(replace(cell, ',', ''), ' ', '');

        if cell !~ '^[0-9]{1,12}(\.[0-9]{1,6})?$' or (field = 'experience' and cell::numeric >= 999.95) then
          code := 'number_invalid';
          detail := field;
          return;
        end if;

        fields := fields || jsonb_build_object(field, round(cell::numeric, case field when 'experience' then 1 else 2 end));
      when field = 'currency' then
        if not private.is_currency(upper(cell)) then
          code := 'currency_invalid';
          detail := 'currency';
          return;
        end if;

        texts := texts || array[field, upper(cell)];
      when field = 'tags' then
        fields := fields || jsonb_build_object('tags', (
          select coalesce(jsonb_agg(t.tag order by t.n), '[]')
          from (select btrim(s.tag) as tag, min(s.n) as n from regexp_split_to_table(cell, '[;,|]') with ordinality s (tag, n) where btrim(s.tag) <> '' group by 1) t
        ));

        if jsonb_array_length(fields -> 'tags') > 50 or length(cell) > 5000 then
          code := 'value_too_long';
          detail := 'tags';
          return;
        end if;
      else
        custom := custom || jsonb_build_object(substr(field, 15), cell);
    end case;
  end loop;

  fields := jsonb_object(texts) || fields;

  if custom <> '{}' then
    if pg_column_size(custom) > 60000 then
      code := 'value_too_long';
      detail := 'custom_fields';
      return;
    end if;

    fields := fields || jsonb_build_object('custom_fields', custom);
  end if;

  -- As a lead's own trigger does it: a name alone is split, parts are put together.
  if fields ? 'name' and not fields ?| array['first_name', 'last_name'] then
    fields := fields || jsonb_build_object(
      'first_name', split_part(fields ->> 'name', ' ', 1),
      'last_name', btrim(substr(fields ->> 'name', length(split_part(fields ->> 'name', ' ', 1)) + 1))
    );
  elsif fields ?| array['first_name', 'last_name'] then
    fields := fields || jsonb_build_object('name', btrim(coalesce(fields ->> 'first_name', '') || ' ' || coalesce(fields ->> 'last_name', '')));
  end if;

  if length(fields ->> 'first_name') > 150 or length(fields ->> 'last_name') > 150 then
    code := 'value_too_long';
    detail := 'name';
  elsif fields - array['source', 'status', 'currency', 'assigned_to', 'value'] = '{}' then
    code := 'row_empty';
  elsif coalesce(fields ->> 'name', '') = '' and not fields ?| array['email', 'phone'] then
    code := 'row_nameless';
  end if;
end
$$;

comment on function private.import_read_row(text[], integer[], text[], integer[], jsonb, jsonb, jsonb) is 'The fields of a row under a mapping, or the code of the first thing that is wrong with it and the field.';

create function private.import_check_chunk(p_import public.imports, p_from integer, p_to integer) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
  state private.import_state;
  longest integer[];
  owner_column integer;
  owners jsonb := '{}';
  stages jsonb;
  sees_all boolean := private.gate_all() is not null;
  by_email boolean := coalesce((private.setting('leads.unique_email'))::boolean, true);
  by_phone boolean := coalesce((private.setting('leads.unique_phone'))::boolean, true);
begin
  select * into state from private.import_state s where s.import_id = p_import.id;

  longest := array(select private.import_longest(f.field) from unnest(state.plan_fields) with ordinality f (field, n) order by f.n);

  select jsonb_object_agg(n.name, s.key) into stages
  from public.pipeline_stages s
  cross join lateral (values (lower(s.key)), (lower(s.name))) n (name);

  owner_column := state.plan_columns[array_position(state.plan_fields, 'assigned_to')];

  -- Each name of an owner is looked up once, and only within the importer's reach.
  if owner_column is not null or p_import.defaults ? 'assigned_to' then
    select coalesce(jsonb_object_agg(n.name, p.id), '{}') into owners
    from (
      select distinct lower(btrim(r.cells[owner_column])) as name
      from private.import_rows r
      where r.import_id = p_import.id and r.row_no between p_from and p_to
      union
      select lower(btrim(p_import.defaults ->> 'assigned_to'))
    ) n
    join public.profiles p on lower(p.email) = n.name or p.id::text = n.name
    -- Who sees everything gives to everybody: that need not be asked for each.
    where case when sees_all then p.is_active else private.may_assign_to(p.id) end;
  end if;

  -- Against the database, as it is now: the commit asks again. Scalars, because a join might be planned for
  -- tables as small as they once were.
  update private.import_rows r
  set (fields, code, detail, email, phone, external_id, decision, duplicate_of, target_id) = (
    select f.fields, f.code, f.detail, k.email, k.phone, k.external_id,
      case when f.code is not null then 'invalid' when d.imported is not null then 'known' when d.known is not null then 'enquiry' else 'new' end,
      null::integer,
      -- The lead it belongs to, or the id that its own will have.
      case when f.code is null then coalesce(d.imported, d.known, private.uuid_v7()) end
    from private.import_read_row(r.cells, state.plan_columns, state.plan_fields, longest, p_import.defaults, owners, stages) f
    cross join lateral (
      select case when f.code is null and by_email then f.fields ->> 'email' end as email,
        case when f.code is null and by_phone then f.fields ->> 'phone' end as phone,
        case when f.code is null then coalesce(f.fields ->> 'external_id', 'row:' || md5((f.fields - array['assigned_to', 'status'])::text)) end as external_id
      offset 0
    ) k
    cross join lateral (
      select
        (
          select e.lead_id
          from public.lead_enquiries e
          where e.source = coalesce(f.fields ->> 'source', 'Import') and e.external_id = k.external_id
            and (select l.id from public.leads l where l.id = e.lead_id and l.deleted_at is null) is not null
        ) as imported,
        -- As find_person() does, which is asked itself only where a further address may be meant.
        coalesce(
          (select l.id from public.leads l where l.email = k.email and l.email_slot = 0 and l.deleted_at is null),
          (select l.id from public.leads l where l.phone = k.phone and l.phone_slot = 0 and l.deleted_at is null),
          case when (select i.id from public.lead_identities i where i.value in (k.email, k.phone) limit 1) is not null then private.find_person(k.email, k.phone) end
        ) as known
      offset 0
    ) d
  )
  where r.import_id = p_import.id and r.row_no between p_from and p_to
    -- What reading the file found wrong stays wrong.
    and (r.code is null or r.fields is not null);

  return (
    select jsonb_object_agg(d.decision, d.rows)
    from (
      select r.decision, count(*) as rows
      from private.import_rows r
      where r.import_id = p_import.id and r.row_no between p_from and p_to
      group by r.decision
    ) d
  );
end
$$;

comment on function private.import_check_chunk(public.imports, integer, integer) is 'Reads rows under the mapping and decides about each by what the database knows; answers how many there are of each decision.';

create function private.import_find_duplicates(p_import_id uuid) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
  entry record;
  earlier integer;
  -- The first row of each person that makes a lead, by the number of the address.
  by_email integer[];
  by_phone integer[];
  by_external_id integer[];
  duplicates integer[] := '{}';
  originals integer[] := '{}';
begin
  select array_fill(null::integer, array[greatest(count(*), 1)::integer]) into by_email
  from private.import_rows r
  where r.import_id = p_import_id and r.decision = 'new';

  by_phone := by_email;
  by_external_id := by_email;

  -- Rows that share something with another, in the file's order: the same person as an earlier row that makes a
  -- lead, or the same row again.
  for entry in
    select k.row_no, k.email, k.phone, k.external_id
    from (
      select r.row_no,
        case when r.email is not null and count(*) over (partition by r.email) > 1 then dense_rank() over (order by r.email) end as email,
        case when r.phone is not null and count(*) over (partition by r.phone) > 1 then dense_rank() over (order by r.phone) end as phone,
        case when count(*) over (partition by r.external_id) > 1 then dense_rank() over (order by r.external_id) end as external_id
      from private.import_rows r
      where r.import_id = p_import_id and r.decision = 'new'
    ) k
    where num_nonnulls(k.email, k.phone, k.external_id) > 0
    order by k.row_no
  loop
    earlier := least(by_email[entry.email], by_phone[entry.phone], by_external_id[entry.external_id]);

    if earlier is null then
      if entry.email is not null then
        by_email[entry.email] := entry.row_no;
      end if;

      if entry.phone is not null then
        by_phone[entry.phone] := entry.row_no;
      end if;

      if entry.external_id is not null then
        by_external_id[entry.external_id] := entry.row_no;
      end if;
    else
      duplicates := duplicates || entry.row_no;
      originals := originals || earlier;
    end if;
  end loop;

  update private.import_rows r
  set decision = 'duplicate', duplicate_of = d.original, target_id = null
  from unnest(duplicates, originals) d (row_no, original)
  where r.import_id = p_import_id and r.row_no = d.row_no;

  return case when duplicates <> '{}' then jsonb_build_object('new', -cardinality(duplicates), 'duplicate', cardinality(duplicates)) end;
end
$$;

comment on function private.import_find_duplicates(uuid) is 'Compares the rows of a file with each other: answers what that changes in the numbers.';

-- Grants

revoke all on function
  private.import_longest(text),
  private.import_read_row(text[], integer[], text[], integer[], jsonb, jsonb, jsonb),
  private.import_check_chunk(public.imports, integer, integer),
  private.import_find_duplicates(uuid)
  from public, anon, authenticated, service_role;
