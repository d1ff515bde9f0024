-- Search: one box for names, addresses, numbers and what was noted.
--
-- Trigram and full-text operators are not leakproof, so under row level security PostgreSQL would read
-- every row instead of an index. The search is therefore a definer function that puts the caller's scope
-- into its own query, as the policies would.

-- Indexes

create index leads_by_text on public.leads using gin (search_text extensions.gin_trgm_ops) with (fastupdate = on, gin_pending_list_limit = 256) where deleted_at is null;

comment on index public.leads_by_text is 'Fragments of name, e-mail, phone and organisation, and words spelt nearly so.';

-- Its condition is one that a search for a whole number does not imply: while a table is empty all its indexes cost
-- the same, and a plan that took this one for such a search, and was kept, would read it whole.
create index leads_by_last_digits on public.leads ((reverse(phone)) collate "C") where length(phone) > 0 and deleted_at is null;

comment on index public.leads_by_last_digits is 'What people remember of a number is its end. Bounds instead of a pattern, so that plans can be kept.';

-- Functions

create function private.like_pattern(p_word text) returns text
language plpgsql immutable parallel safe set search_path = '' as $$
begin
  return '%' || regexp_replace(p_word, '([\\%_])', '\\\1', 'g') || '%';
end
$$;

comment on function private.like_pattern(text) is 'A LIKE pattern that finds the text itself, wildcards in it included.';

create function private.search_leads(p_query text, p_limit integer, p_after jsonb, p_filter jsonb)
returns table (
  id uuid, lead_id text, name text, email text, phone text, organization text, status text, source text, score smallint,
  value numeric, currency text, assigned_to uuid, team_id uuid, created_at timestamptz, matched text, rank real, cursor jsonb
)
language plpgsql stable security definer set search_path = '' as $$
declare
  caller private.caller;
  scope text;
  query text := lower(btrim(regexp_replace(coalesce(p_query, ''), '\s+', ' ', 'g')));
  digits text := regexp_replace(query, '[\s()+.\-/]', '', 'g');
  is_number boolean := digits ~ '^[0-9]{3,15}$';
  is_key boolean;
  address text;
  keyed uuid[];
  has_text text;
  words tsquery;
  filter text := '';
  -- lead-1, lead 1 and, of fewer digits than a phone number's end, 1 alone.
  number constant text := ltrim(substring(query from '^(?:lead[ -]?)?([0-9]{1,15})$'), '0');
  first_kind integer := 1;
  kinds text[] := '{}';
  condition text;
  after text;
  rows_from text;
  rank_by text;
  found_rows integer := 0;
  added integer;
begin
  select * into caller from private.caller;

  if caller.id is null then
    perform private.fail('account_inactive');
  end if;

  if length(query) not between 2 and 200 or p_limit is null or p_limit not between 1 and 100
    or (p_after is not null and (jsonb_typeof(p_after) <> 'object' or not p_after ?& array['kind', 'created_at', 'id']))
    or (p_filter is not null and (jsonb_typeof(p_filter) <> 'object' or exists (select from jsonb_object_keys(p_filter) k where k not in ('status', 'source', 'assigned_to', 'tags', 'custom_fields')))) then
    perform private.fail('argument_invalid', 'p_query has 2 to 200 characters, p_limit is 1 to 100, p_after is a cursor, p_filter names status, source, assigned_to, tags or custom_fields');
  end if;

  if p_after is not null then
    begin
      first_kind := p_after ->> 'kind';

      perform (p_after ->> 'created_at')::timestamptz, (p_after ->> 'id')::uuid;
    exception when data_exception then
      first_kind := null;
    end;

    if first_kind is null or first_kind not between 1 and 4 then
      perform private.fail('argument_invalid', 'p_after is the cursor of the last row of the page before');
    end if;
  end if;

  if p_filter is not null and (
    coalesce(jsonb_typeof(p_filter -> 'tags'), 'null') not in ('array', 'null') or coalesce(jsonb_typeof(p_filter -> 'custom_fields'), 'null') not in ('object', 'null')
    or p_filter ->> 'assigned_to' !~ '^[0-9a-fA-F]{8}-([0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}$'
  ) then
    perform private.fail('argument_invalid', 'tags of p_filter is a list, custom_fields an object, assigned_to an id');
  end if;

  -- What is typed says where to look: a key finds its lead, seven digits and more the numbers that end so,
  -- fewer a part of one, words find the rest.
  is_key := query ~ '^lead[ -]?[0-9]{1,15}$' or query ~ '^[^ ]+@[^ ]+\.[^ ]+$' or (is_number and length(digits) >= 7);

  if is_number and length(digits) >= 10 then
    begin
      address := private.normalize_phone(query);
    exception when sqlstate 'PT422' then
      address := null;
    end;
  else
    address := query;
  end if;

  -- Keys have indexes of their own and few hits: plans that are kept serve.
  if number is not null and (not is_number or length(digits) < 7) then
    keyed := array(select x.id from public.leads x where x.lead_id = 'LEAD-' || lpad(number, greatest(3, length(number)), '0'));
  elsif is_key and is_number and length(digits) < 10 then
    keyed := array(
      select x.id from public.leads x
      where reverse(x.phone) collate "C" >= reverse(digits) and reverse(x.phone) collate "C" < reverse(digits) || ':'
        and length(x.phone) > 0 and x.deleted_at is null
    );
  elsif is_key and is_number then
    keyed := array(
      select x.id from public.leads x where x.phone = address and x.deleted_at is null
      union all
      select i.lead_id from public.lead_identities i where i.value = address
    );
  elsif is_key then
    keyed := array(
      select x.id from public.leads x where x.email = address and x.deleted_at is null
      union all
      select i.lead_id from public.lead_identities i where i.value = address
    );
  end if;

  -- A key that is found is the answer, by plans that are kept.
  if is_key and p_filter is null and p_after is null then
    return query
    select l.id, l.lead_id, l.name, l.email, l.phone, l.organization, l.status, l.source, l.score, l.value, l.currency, l.assigned_to, l.team_id, l.created_at,
      'key', 1::real, jsonb_build_object('kind', 1, 'created_at', l.created_at, 'id', l.id)
    from public.leads l
    where l.id = any (keyed)
      and l.deleted_at is null
      and (l.assigned_to = caller.id or caller.data_scope = 'all' or l.team_id = any (caller.teams))
    order by l.created_at desc, l.id desc
    limit p_limit;

    if found then
      return;
    end if;

    first_kind := 2;
  end if;

  scope := private.scope_filter('l', caller);

  -- An OR keeps the planner from the index of a team: it stands only where a manager has leads of other teams.
  if cardinality(caller.teams) = 1 and not exists (
    select from public.leads l where l.assigned_to = caller.id and l.deleted_at is null and l.team_id is distinct from caller.teams[1]
  ) then
    scope := format('l.team_id = %L::uuid', caller.teams[1]);
  end if;

  if p_filter is not null then
    filter := concat_ws('',
      ' and l.status = ' || quote_literal(lower(p_filter ->> 'status')),
      ' and l.source = ' || quote_literal(p_filter ->> 'source'),
      ' and l.assigned_to = ' || quote_literal((p_filter ->> 'assigned_to')::uuid) || '::uuid',
      ' and l.tags @> ' || quote_literal((select array_agg(t) from jsonb_array_elements_text(case jsonb_typeof(p_filter -> 'tags') when 'array' then p_filter -> 'tags' end) t)) || '::text[]',
      ' and l.custom_fields @> ' || quote_literal(p_filter -> 'custom_fields') || '::jsonb'
    );
  end if;

  if is_number then
    has_text := format('l.search_text like %L', '%' || digits || '%');
  else
    -- One LIKE per word: an index serves those, not LIKE ALL.
    has_text := (select string_agg(format('l.search_text like %L', private.like_pattern(w)), ' and ') from unnest(string_to_array(query, ' ')) w);
    words := websearch_to_tsquery('simple', query);
  end if;

  kinds := array[
    case when is_key or cardinality(keyed) > 0 then 'l.id = any ($5)' end,
    has_text,
    case when not is_number then format(
      'l.id in (select n.lead_id from public.notes n where n.deleted_at is null and (not n.is_private or n.author_id = $4) and to_tsvector(''simple'', n.content) @@ $3) and not (%s)', has_text
    ) end,
    case when not is_number and length(query) >= 4 then format('$1 operator(extensions.<%%) l.search_text and not (%s)', has_text) end
  ];

  for kind in first_kind .. 4 loop
    -- Who was found by number is not found again.
    condition := kinds[kind] || case when kind > 1 and cardinality(keyed) > 0 then ' and l.id <> all ($5)' else '' end;
    continue when condition is null;

    -- After a key only text is looked for, and only if the key is nobody's; near misses are for when
    -- nothing was found at all.
    exit when found_rows >= p_limit
      or (is_key and kind > 2)
      or (is_key and kind = 2 and (found_rows > 0 or p_after is not null and first_kind = 1))
      or (kind = 4 and (found_rows > 0 or p_after is not null and first_kind < 4));

    if kind = 4 then
      perform set_config('pg_trgm.word_similarity_threshold', '0.5', true);
    end if;

    after := case when p_after is not null and kind = first_kind then
      format(' and (l.created_at, l.id) < (%L::timestamptz, %L::uuid)', p_after ->> 'created_at', p_after ->> 'id') else '' end;

    rows_from := format(
      'public.leads l where l.deleted_at is null and %s and %s%s%s order by l.created_at desc, l.id desc limit %s',
      scope, condition, filter, after, p_limit - found_rows
    );

    rank_by := case
      when kind = 1 then '1'
      when kind = 2 and is_number then '0.8'
      when kind = 2 then '0.5 + extensions.word_similarity($1, l.search_text) / 2.5'
      when kind = 3 then '0.3'
      else 'extensions.word_similarity($1, l.search_text) / 2'
    end;

    -- Measured outside, so that only what is shown is.
    if kind = 4 or (kind = 2 and not is_number) then
      rows_from := format('(select l.* from %s) l', rows_from);
    end if;

    return query execute format($query$
      select l.id, l.lead_id, l.name, l.email, l.phone, l.organization, l.status, l.source, l.score, l.value, l.currency, l.assigned_to, l.team_id, l.created_at,
        %L::text, (%s)::real, jsonb_build_object('kind', %s, 'created_at', l.created_at, 'id', l.id)
      from %s
    $query$,
      (array['key', 'text', 'note', 'similar'])[kind], rank_by, kind, rows_from
    ) using query, address, words, caller.id, keyed;

    get diagnostics added = row_count;

    found_rows := found_rows + added;
  end loop;
end
$$;

comment on function private.search_leads(text, integer, jsonb, jsonb) is 'Body of public.search_leads().';

-- RPCs

create function public.search_leads(p_query text, p_limit integer default 20, p_after jsonb default null, p_filter jsonb default null)
returns table (
  id uuid, lead_id text, name text, email text, phone text, organization text, status text, source text, score smallint,
  value numeric, currency text, assigned_to uuid, team_id uuid, created_at timestamptz, matched text, rank real, cursor jsonb
)
language plpgsql stable security invoker set search_path = '' as $$
begin
  return query select * from private.search_leads(p_query, p_limit, p_after, p_filter);
end
$$;

comment on function public.search_leads(text, integer, jsonb, jsonb) is 'Leads the caller may see, by number (LEAD-042, lead 42 or 42), e-mail, phone (also its last digits), fragments of name and organisation, words of notes, and names spelt nearly so; keys first, then text, notes and near misses, each newest first. p_filter {status, source, assigned_to, tags[], custom_fields{}} narrows. matched says by what (key, text, note, similar), rank how well (0 to 1); the cursor of the last row as p_after gives the next page. Errors: argument_invalid, account_inactive. Answers D2-035, D3-061, D4-030.';

-- Grants

revoke all on function private.like_pattern(text) from public, anon, authenticated, service_role;

revoke all on function private.search_leads(text, integer, jsonb, jsonb) from public, anon, authenticated, service_role;

grant execute on function private.search_leads(text, integer, jsonb, jsonb) to authenticated;

revoke all on function public.search_leads(text, integer, jsonb, jsonb) from public, anon, authenticated, service_role;

grant execute on function public.search_leads(text, integer, jsonb, jsonb) to authenticated;
