-- Timeline readers: whoever acts on what happened reads the timeline from front to back, after commit.
--
-- A reader keeps how far it has come. Nothing is passed over and nothing is read twice: a row counts as read when
-- no transaction that may still commit one before it is running, and reading it is part of the transaction that
-- acts on it. So nobody who writes leads pays for those who want to know of it.

-- Tables

create table private.timeline_readers (
  name text primary key,
  read_until uuid not null default '00000000-0000-0000-0000-000000000000',
  fence uuid,
  fence_xid xid8,
  constraint timeline_readers_fence_has_both check ((fence is null) = (fence_xid is null))
);

comment on table private.timeline_readers is 'Who reads the timeline from front to back, and how far each has come.';

comment on column private.timeline_readers.read_until is 'The last row of activities that was read; ids are ordered by time.';

comment on column private.timeline_readers.fence is 'How far to read once every transaction before fence_xid has ended: until then one of them may still commit a row before the fence.';

alter table private.timeline_readers enable row level security;

-- Functions

create function private.uuid_v7_since(p_at timestamptz) returns uuid
language plpgsql immutable parallel safe set search_path = '' as $$
begin
  return (overlay(lpad(to_hex((extract(epoch from p_at) * 4096000)::bigint), 15, '0') placing '7' from 13 for 0) || '0000000000000000')::uuid;
end
$$;

comment on function private.uuid_v7_since(timestamptz) is 'The least id that uuid_v7() can make at a moment.';

create function private.uuid_v7_time(p_id uuid) returns timestamptz
language plpgsql immutable parallel safe set search_path = '' as $$
declare
  digits constant text := replace(p_id::text, '-', '');
begin
  return to_timestamp(('x0' || substr(digits, 1, 12) || substr(digits, 14, 3))::bit(64)::bigint / 4096000.0);
end
$$;

comment on function private.uuid_v7_time(uuid) is 'The moment at which uuid_v7() made an id.';

create function private.lock_leads(p_leads uuid[]) returns uuid[]
language plpgsql volatile security definer set search_path = '' as $$
begin
  return array(
    select l.id from public.leads l where l.id = any (p_leads) order by l.id for no key update skip locked
  );
end
$$;

comment on function private.lock_leads(uuid[]) is 'Locks those of these leads that nobody holds, and names them: a sweep never waits for people, nor for another sweep.';

create function private.take_timeline(
  p_reader text,
  p_since timestamptz,
  p_limit integer,
  p_until timestamptz default null,
  p_is_locking boolean default false,
  out activities uuid[],
  out leads uuid[]
)
language plpgsql volatile security definer set search_path = '' as $$
declare
  began constant timestamptz := clock_timestamp();
  -- Before this transaction has a number of its own.
  seen constant pg_snapshot := pg_current_snapshot();
  reader private.timeline_readers;
  rows_lead uuid[];
  held uuid;
begin
  activities := '{}';
  leads := '{}';

  select * into reader from private.timeline_readers r where r.name = p_reader for update skip locked;

  if reader.name is null then
    return;
  end if;

  reader.read_until := greatest(reader.read_until, private.uuid_v7_since(p_since));

  if p_until is not null then
    reader.fence := private.uuid_v7_since(p_until);
    reader.fence_xid := '0';
  -- A number that was never given here came with the rows, from the server they were restored from.
  elsif reader.fence is null or reader.fence_xid > pg_snapshot_xmax(seen) then
    -- Ten seconds, for clocks that are set and ids that were made before their transaction had a number.
    reader.fence := private.uuid_v7_since(began - interval '10 seconds');
    reader.fence_xid := pg_snapshot_xmax(seen);
  end if;

  if pg_snapshot_xmin(seen) >= reader.fence_xid then
    select coalesce(array_agg(a.id order by a.id), '{}'), coalesce(array_agg(a.lead_id order by a.id), '{}') into activities, rows_lead
    from (
      select a.id, a.lead_id
      from public.activities a
      where a.id > reader.read_until and a.id < reader.fence
      order by a.id
      limit p_limit
    ) a;

    leads := array(select distinct l from unnest(rows_lead) l where l is not null);

    if p_is_locking then
      leads := private.lock_leads(leads);

      select r.id into held
      from unnest(activities, rows_lead) r (id, lead_id)
      left join unnest(leads) l (id) on l.id = r.lead_id
      where r.lead_id is not null and l.id is null
      order by r.id
      limit 1;
    end if;

    if held is not null then
      -- Somebody works on this one: from here again next time.
      reader.read_until := coalesce(activities[array_position(activities, held) - 1], reader.read_until);
    elsif cardinality(activities) = p_limit then
      reader.read_until := activities[p_limit];
    else
      reader.read_until := greatest(reader.read_until, reader.fence);
      reader.fence := private.uuid_v7_since(began - interval '10 seconds');
      reader.fence_xid := pg_snapshot_xmax(seen);
    end if;
  end if;

  update private.timeline_readers r
  set read_until = reader.read_until, fence = reader.fence, fence_xid = reader.fence_xid
  where r.name = p_reader;
end
$$;

comment on function private.take_timeline(text, timestamptz, integer, timestamptz, boolean) is 'Reads on in the timeline, at most p_limit rows: their ids in order, and the leads they are about. Nothing is passed over: a row counts as read when no transaction that may commit one before it is running and, if p_is_locking, when its lead could be locked; then leads are those that were. With p_until it reads what was written before that moment and asks nobody. Nothing while another reads under this name.';

create function private.take_changed_leads(p_reader text, p_since timestamptz, p_limit integer, p_until timestamptz default null) returns uuid[]
language plpgsql volatile security definer set search_path = '' as $$
begin
  return (select t.leads from private.take_timeline(p_reader, p_since, p_limit, p_until, true) t);
end
$$;

comment on function private.take_changed_leads(text, timestamptz, integer, timestamptz) is 'Reads on in the timeline, as take_timeline() does, and answers the leads that it is about, locked.';

-- Grants

revoke all on private.timeline_readers from anon, authenticated, service_role;

revoke all on function
  private.uuid_v7_since(timestamptz),
  private.uuid_v7_time(uuid),
  private.lock_leads(uuid[]),
  private.take_timeline(text, timestamptz, integer, timestamptz, boolean),
  private.take_changed_leads(text, timestamptz, integer, timestamptz)
  from public, anon, authenticated, service_role;
