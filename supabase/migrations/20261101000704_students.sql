-- Students: enrolled learners, of a lead or of none.
--
-- Whom a student belongs to is decided in the module lead_scope. What is left out is taken from the lead. Whoever
-- may create and change leads may create and change these. How a lead becomes a student is in the module conversion.

-- Tables

create table public.students (
  id uuid primary key default private.uuid_v7(),
  -- First and of fixed width, because a policy reads them of every row that a scan meets.
  assigned_to uuid references public.profiles (id) on delete restrict,
  team_id uuid references public.teams (id) on delete restrict,
  created_at timestamptz not null default now(),
  deleted_at timestamptz,
  deleted_by uuid,
  lead_id uuid references public.leads (id) on delete set null,
  student_no bigint generated always as identity,
  student_number text not null generated always as ('STU-' || case when student_no < 1000 then lpad(student_no::text, 3, '0') else student_no::text end) stored,
  name text not null default '',
  email text,
  phone text,
  gender text,
  qualification text,
  course text,
  academic_year text,
  semester text,
  status text not null default 'active',
  enrolled_at timestamptz not null default now(),
  custom_fields jsonb not null default '{}',
  created_by uuid references public.profiles (id) on delete set null,
  updated_at timestamptz not null default now(),
  version bigint not null default 1,
  constraint students_have_a_name check (btrim(name) <> '' and length(name) <= 300),
  constraint students_email_is_normal check (email = lower(email) and email like '%_@_%' and length(email) <= 254),
  constraint students_phone_is_e164 check (phone ~ '^\+[1-9][0-9]{7,14}$'),
  constraint students_texts_are_short check (length(gender) <= 40 and length(qualification) <= 200 and length(course) <= 200),
  constraint students_academic_year_is_a_span check (academic_year ~ '^[0-9]{4}(-[0-9]{2}([0-9]{2})?)?$'),
  constraint students_semester_is_short check (btrim(semester) <> '' and length(semester) <= 20),
  constraint students_status_is_known check (status in ('active', 'on_leave', 'graduated', 'withdrawn')),
  constraint students_custom_fields_are_an_object check (jsonb_typeof(custom_fields) = 'object' and pg_column_size(custom_fields) <= 65536),
  constraint students_deleted_by_needs_deleted_at check (deleted_by is null or deleted_at is not null)
);

comment on table public.students is 'Enrolled learners. Of a lead they are seen where the lead is; otherwise by the person they belong to, by the managers of their team, and by scope all.';

comment on column public.students.assigned_to is 'Whom the student belongs to: the owner of the lead, else by default whoever entered them.';

comment on column public.students.team_id is 'The team of the lead, else of assigned_to, copied by trigger.';

comment on column public.students.lead_id is 'The lead that became this student. A parent''s lead can have several students.';

comment on column public.students.student_number is 'The number people use: STU-001, STU-002, … Unique; gaps are possible.';

comment on column public.students.name is 'Taken from the lead where it is left out, as are e-mail, phone, gender, qualification and course.';

comment on column public.students.academic_year is 'For example 2025-26.';

comment on column public.students.semester is 'For example 1.';

comment on column public.students.status is 'active, on_leave, graduated or withdrawn.';

comment on column public.students.deleted_at is 'Soft deletion: the row is in nobody''s sight.';

comment on column public.students.deleted_by is 'Who deleted it; null for the system. No foreign key: it is remembered beyond the account.';

comment on column public.students.version is 'Rises with every change.';

-- Partial for the same reason as leads_lead_id_is_unique.
create unique index students_student_number_is_unique on public.students (student_number) where student_number is not null;

create index students_of_owner on public.students (assigned_to, created_at desc, id desc) include (team_id) where deleted_at is null;

create index students_of_team on public.students (team_id, created_at desc, id desc) include (assigned_to) where deleted_at is null;

create index students_newest on public.students (created_at desc, id desc) include (assigned_to, team_id) where deleted_at is null;

create index students_of_lead on public.students (lead_id) where lead_id is not null;

create index students_by_email on public.students (email) where email is not null and deleted_at is null;

create index students_by_phone on public.students (phone) where phone is not null and deleted_at is null;

create index students_of_creator on public.students (created_by) where created_by is not null;

create index students_deleted on public.students (deleted_at, id) where deleted_at is not null;

-- Policies

alter table public.students enable row level security;

create policy students_read on public.students for select to authenticated
  using (
    deleted_at is null
    and (
      (select private.gate_all()) is not null
      or team_id = (select (private.gate_team())[1])
      or assigned_to = (select private.gate_own())
      or team_id = any ((select (private.gate_team())[2:])::uuid[])
    )
  );

comment on policy students_read on public.students is 'Scope all: every one. Scope team: those of managed teams. Everybody: those that belong to them, or to a lead of theirs.';

create policy students_create on public.students for insert to authenticated
  with check (
    deleted_at is null
    and (select private.has_permission('leads.create'))
    and (
      (select private.gate_all()) is not null
      or team_id = (select (private.gate_team())[1])
      or assigned_to = (select private.gate_own())
      or team_id = any ((select (private.gate_team())[2:])::uuid[])
    )
  );

comment on policy students_create on public.students is 'Needs leads.create, and the new student must be one the caller will see: a lead named must be theirs to see.';

create policy students_change on public.students for update to authenticated
  using (
    deleted_at is null
    and (select private.has_permission('leads.update'))
    and (
      (select private.gate_all()) is not null
      or team_id = (select (private.gate_team())[1])
      or assigned_to = (select private.gate_own())
      or team_id = any ((select (private.gate_team())[2:])::uuid[])
    )
  )
  with check (
    deleted_at is null
    and (select private.has_permission('leads.update'))
    and (
      (select private.gate_all()) is not null
      or team_id = (select (private.gate_team())[1])
      or assigned_to = (select private.gate_own())
      or team_id = any ((select (private.gate_team())[2:])::uuid[])
    )
  );

comment on policy students_change on public.students is 'Needs leads.update and sight of the student, before and after. Team and deletion are no columns of the grant.';

-- Triggers

create trigger follow_lead before insert or update of lead_id, assigned_to, team_id on public.students
  for each row execute function private.follow_lead();

create function private.propagate_student() returns trigger
language plpgsql security definer set search_path = '' as $$
declare
  follows_lead boolean := tg_nargs > 2;
begin
  execute format(
    'update public.%1$I t set %2$I = $2, team_id = $3%3$s where t.student_id = $1 and (t.%2$I, t.team_id%4$s) is distinct from ($2, $3%5$s)',
    tg_argv[0],
    tg_argv[1],
    case when follows_lead then ', lead_id = $4' end,
    case when follows_lead then ', t.lead_id' end,
    case when follows_lead then ', $4' end
  ) using new.id, new.assigned_to, new.team_id, new.lead_id;

  return null;
end
$$;

comment on function private.propagate_student() is 'What hangs on a student goes where the student goes. Its arguments are the table, its column of the owner, and lead_id if it has one.';

create function private.prepare_student() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  if tg_op = 'INSERT' and new.lead_id is not null then
    select coalesce(nullif(btrim(new.name), ''), nullif(l.name, ''), l.email, l.phone), coalesce(new.email, l.email), coalesce(new.phone, l.phone),
      coalesce(new.gender, l.gender), coalesce(new.qualification, l.qualification), coalesce(new.course, l.course)
    into new.name, new.email, new.phone, new.gender, new.qualification, new.course
    -- What was given stays where there is no such lead.
    from (select) one
    left join public.leads l on l.id = new.lead_id;
  end if;

  new.name := private.squeeze(new.name, 300);
  new.email := private.normalize_email(new.email);
  new.phone := private.normalize_phone(new.phone);

  return new;
end
$$;

comment on function private.prepare_student() is 'Takes from the lead what was left out; name on one line, e-mail and phone in the one form.';

create trigger prepare_student before insert or update of name, email, phone on public.students
  for each row execute function private.prepare_student();

create function private.record_student_activity() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  if tg_op = 'INSERT' then
    perform private.record_activity('created', 'Student Created', new.course, p_student_id => new.id);
  else
    perform private.record_activity(
      'status_change', 'Student Status Changed', initcap(replace(old.status, '_', ' ')) || ' to ' || initcap(replace(new.status, '_', ' ')),
      p_student_id => new.id, p_metadata => jsonb_build_object('from', old.status, 'to', new.status)
    );
  end if;

  return null;
end
$$;

comment on function private.record_student_activity() is 'Puts what happens to a student on their timeline.';

create trigger record_student_activity after insert on public.students
  for each row execute function private.record_student_activity();

create trigger record_student_activity_of_change after update of status on public.students
  for each row when (old.status is distinct from new.status) execute function private.record_student_activity();

create trigger touch_version before update on public.students for each row execute function private.touch_version();

create trigger mark_deleted before update of deleted_at on public.students
  for each row when (old.deleted_at is distinct from new.deleted_at) execute function private.mark_deleted();

create trigger take_along after update of deleted_at on public.students
  for each row when (old.deleted_at is distinct from new.deleted_at) execute function private.take_along();

create trigger audit after insert or update or delete on public.students for each row execute function private.audit_row();

-- Grants

revoke all on public.students from anon, authenticated, service_role;

grant select on public.students to authenticated;

grant insert (id, assigned_to, lead_id, name, email, phone, gender, qualification, course, academic_year, semester, status, enrolled_at, custom_fields),
  update (assigned_to, lead_id, name, email, phone, gender, qualification, course, academic_year, semester, status, enrolled_at, custom_fields)
  on public.students to authenticated;

grant select, insert, update, delete on public.students to service_role;

revoke all on function private.propagate_student() from public, anon, authenticated, service_role;

revoke all on function private.prepare_student() from public, anon, authenticated, service_role;

revoke all on function private.record_student_activity() from public, anon, authenticated, service_role;

-- How its rows are deleted

insert into private.soft_deletable (table_name, label, people, makers, permission) values
  ('students', 'name', '{assigned_to}', '{created_by}', 'leads.delete');
