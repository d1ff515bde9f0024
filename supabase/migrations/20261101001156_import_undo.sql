-- The undo of an import: leads that nobody has touched since are erased, enquiries of known leads withdrawn.

-- Functions

create function private.import_touched(p_leads uuid[], p_last_id uuid) returns uuid[]
language plpgsql stable security definer set search_path = '' as $$
declare
  child record;
  found_here uuid[];
  touched uuid[] := '{}';
begin
  -- Whatever table follows leads, now or later: a row younger than the import is somebody's work.
  for child in
    select c.child, c.child_column, exists (
      select from pg_catalog.pg_attribute a
      where a.attrelid = c.child and a.attname = 'id' and a.atttypid = 'uuid'::regtype and not a.attisdropped
    ) as has_id
    from private.lead_children() c
    -- These the system writes by itself.
    where c.child not in ('public.notifications'::regclass, 'public.sla_timers'::regclass, 'public.lead_risks'::regclass)
  loop
    execute format(
      'select array_agg(distinct c.%1$I) from %2$s c where c.%1$I = any ($1) and %3$s',
      child.child_column, child.child,
      concat(
        case when child.has_id then 'c.id > $2' else 'true' end,
        -- Nobody's work either: that nobody worked on it.
        case when child.child = 'public.activities'::regclass then ' and c.type <> ''escalated''' end
      )
    ) into found_here using p_leads, p_last_id;

    touched := touched || coalesce(found_here, '{}');
  end loop;

  return touched;
end
$$;

comment on function private.import_touched(uuid[], uuid) is 'Which of these leads somebody added something to since the import left them.';

create function private.import_undo_singles(p_import public.imports, p_from integer, p_to integer) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
  entry private.import_rows;
  lead public.leads;
  since uuid;
  became text;
  totals jsonb;
begin
  -- The last row first, so that a lead with two of them goes back step by step.
  for entry in
    select r.* from private.import_rows r
    where r.import_id = p_import.id and r.row_no between p_from and p_to and r.outcome = 'enquiry'
    order by r.row_no desc
    limit private.import_singles_size()
  loop
    select * into lead from public.leads l where l.id = entry.target_id for update;

    delete from public.lead_enquiries e where e.lead_id = lead.id and e.external_id = entry.external_id and e.channel = 'import';

    delete from public.notifications n where n.lead_id = lead.id and n.id between entry.first_id and entry.last_id;

    delete from public.activities a where a.entity_id = lead.id and a.type = 'enquiry' and a.id between entry.first_id and entry.last_id;

    if lead.id is null then
      became := 'erased';
    elsif lead.version = entry.version_after then
      became := 'withdrawn';
      since := private.uuid_v7();

      perform private.restore_row('public.leads', entry.before, format('t.id = %L', lead.id));

      -- Neither the stage it was re-opened to nor the way back is part of its history.
      delete from public.lead_history h where h.lead_id = lead.id and (h.id between entry.first_id and entry.last_id or h.id > since);

      delete from public.activities a
      where a.entity_id = lead.id and a.type = 'status_change' and (a.id between entry.first_id and entry.last_id or a.id > since);
    else
      became := 'kept';

      update public.leads l set enquiries_count = greatest(l.enquiries_count - 1, 1) where l.id = lead.id;
    end if;

    update private.import_rows r
    set outcome = became, code = case became when 'kept' then 'lead_touched' end
    where r.import_id = p_import.id and r.row_no = entry.row_no;

    totals := private.add_counts(totals, jsonb_build_object(became, 1));
  end loop;

  return totals;
end
$$;

comment on function private.import_undo_singles(public.imports, integer, integer) is 'Withdraws the next enquiries of a chunk, the last first: known leads are as they were; of those somebody has worked on since only the enquiry goes, and they are named.';

create function private.import_undo_chunk(p_import public.imports, p_chunk integer, p_from integer, p_to integer) returns jsonb
language plpgsql volatile security definer set search_path = '' as $$
declare
  -- When a chunk was written is in the chunk, when a single row was, in the row.
  written constant uuid := (select c.last_id from private.import_chunks c where c.import_id = p_import.id and c.chunk = p_chunk);
  batch record;
  touched uuid[] := '{}';
  gone uuid[];
  kept integer;
begin
  -- While they are locked nobody adds anything to them.
  perform from public.leads l
  where l.id = any (array(
    select r.target_id from private.import_rows r
    where r.import_id = p_import.id and r.row_no between p_from and p_to and r.outcome = 'created'
  ))
  order by l.id
  for update;

  for batch in
    select coalesce(r.last_id, written) as last_id, array_agg(r.target_id) as leads
    from private.import_rows r
    where r.import_id = p_import.id and r.row_no between p_from and p_to and r.outcome = 'created'
    group by 1
  loop
    touched := touched || private.import_touched(batch.leads, batch.last_id);
  end loop;

  with decided as (
    update private.import_rows r
    set outcome = d.outcome, code = case d.outcome when 'kept' then 'lead_touched' end
    from (
      select x.row_no,
        -- Scalars, because a join might be planned for tables as small as they once were.
        case coalesce((select l.version = x.version_after and l.id <> all (touched) from public.leads l where l.id = x.target_id), true)
          when true then 'erased' else 'kept'
        end as outcome
      from private.import_rows x
      where x.import_id = p_import.id and x.row_no between p_from and p_to and x.outcome = 'created'
      offset 0
    ) d
    where r.import_id = p_import.id and r.row_no = d.row_no
    returning r.target_id, r.outcome
  )
  select array_agg(d.target_id) filter (where d.outcome = 'erased'), count(*) filter (where d.outcome = 'kept') into gone, kept from decided d;

  delete from public.leads l where l.id = any (gone);

  update private.import_rows r set target_id = null
  where r.import_id = p_import.id and r.row_no between p_from and p_to and r.outcome = 'erased' and r.target_id is not null;

  return jsonb_build_object('erased', coalesce(cardinality(gone), 0), 'kept', kept);
end
$$;

comment on function private.import_undo_chunk(public.imports, integer, integer, integer) is 'Takes the leads of a chunk back: those nobody touched are erased, the others stay and are named.';

-- Grants

revoke all on function
  private.import_touched(uuid[], uuid),
  private.import_undo_singles(public.imports, integer, integer),
  private.import_undo_chunk(public.imports, integer, integer, integer)
  from public, anon, authenticated, service_role;
