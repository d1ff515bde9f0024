-- A demo organisation, for local stacks and projects that may be thrown away: two teams, six people, and
-- some three hundred enquiries of the last 120 days with the history of each.
--
-- Nothing here is random: the same leads arise on every run, only their dates follow the clock. They are
-- written as the application writes them, so that triggers number them, assign them and record what
-- happens; afterwards what was recorded is dated back. The audit trail is not: it says when rows were
-- really written. Names are invented, addresses are at example.com, and no Indian mobile number starts
-- with 1.

-- Once, and only into a project without people: the accounts below have a password that everybody knows.
-- Everything after this block needs the table it makes.
do $$
begin
  if exists (select from auth.users) or exists (select from public.leads) then
    raise exception 'seed.sql was not run: this project has accounts or leads already'
      using hint = 'The demo data goes into an empty database only. Locally: npm run local -- reset';
  end if;

  create temporary table demo_people (
    id uuid,
    email text,
    full_name text,
    role text,
    team_id uuid,
    department text,
    designation text,
    max_open_leads integer
  );
end
$$;

-- Accounts, as the Auth server writes them. A trigger gives each a profile, which is inactive at first.

insert into demo_people values
  ('00000000-0000-4000-8000-000000000001', 'admin@intake.test', 'Asha Menon', 'admin', null, 'Operations', 'Head of Operations', null),
  ('00000000-0000-4000-8000-00000000000a', 'manager.a@intake.test', 'Rohan Iyer', 'manager', '00000000-0000-4000-8000-0000000000aa', 'Admissions', 'Admissions Manager', null),
  ('00000000-0000-4000-8000-0000000000a1', 'counselor.a1@intake.test', 'Priya Nair', 'counselor', '00000000-0000-4000-8000-0000000000aa', 'Admissions', 'Senior Counselor', null),
  ('00000000-0000-4000-8000-0000000000a2', 'counselor.a2@intake.test', 'Arjun Mehta', 'counselor', '00000000-0000-4000-8000-0000000000aa', 'Admissions', 'Counselor', null),
  ('00000000-0000-4000-8000-00000000000b', 'manager.b@intake.test', 'Kavita Rao', 'manager', '00000000-0000-4000-8000-0000000000bb', 'Admissions', 'Centre Manager', null),
  ('00000000-0000-4000-8000-0000000000b1', 'counselor.b1@intake.test', 'Imran Sheikh', 'counselor', '00000000-0000-4000-8000-0000000000bb', 'Admissions', 'Counselor', 26);

insert into auth.users (
  instance_id, id, aud, role, email, encrypted_password, email_confirmed_at, raw_app_meta_data, raw_user_meta_data,
  created_at, updated_at, confirmation_token, recovery_token, email_change, email_change_token_new
)
select
  '00000000-0000-0000-0000-000000000000', d.id, 'authenticated', 'authenticated', d.email,
  extensions.crypt('Intake-demo-2026', extensions.gen_salt('bf')), now() - interval '130 days',
  '{"provider": "email", "providers": ["email"]}', jsonb_build_object('full_name', d.full_name, 'email_verified', true),
  now() - interval '130 days', now() - interval '130 days', '', '', '', ''
from demo_people d;

insert into auth.identities (id, provider_id, user_id, identity_data, provider, last_sign_in_at, created_at, updated_at)
select
  gen_random_uuid(), d.id::text, d.id,
  jsonb_build_object('sub', d.id, 'email', d.email, 'email_verified', true, 'phone_verified', false),
  'email', null, now() - interval '130 days', now() - interval '130 days'
from demo_people d;

-- The organisation

update public.system_settings set value = '"Meridian Medical Academy"'
where key = 'organization.name' and exists (select from demo_people);

insert into public.teams (id, name, description) values
  ('00000000-0000-4000-8000-0000000000aa', 'Online Admissions', 'Enquiries from the web and from campaigns.'),
  ('00000000-0000-4000-8000-0000000000bb', 'Delhi Centre', 'Walk-ins and referrals.');

update public.profiles p
set role_id = r.id, is_active = true, department = d.department, designation = d.designation, timezone = 'Asia/Kolkata',
  availability = case d.role when 'counselor' then 'available' else 'offline' end, max_open_leads = d.max_open_leads
from demo_people d
join public.roles r on r.key = d.role
where p.id = d.id;

-- Seen as the seed is run: without a heartbeat they are offline ten minutes later, as anybody is.
update public.agent_presence s set last_seen_at = now() from demo_people d where d.id = s.user_id;

insert into public.team_members (team_id, user_id, is_manager)
select d.team_id, d.id, d.role = 'manager' from demo_people d where d.team_id is not null;

-- Google and LinkedIn match no rule: everybody takes turns. Imran Sheikh takes 26 open leads and no more,
-- so some walk-ins and referrals wait until he closes others.
insert into public.assignment_rules (name, position, source, team_id) values
  ('Facebook Ad to Online Admissions', 1, 'Facebook Ad', '00000000-0000-4000-8000-0000000000aa'),
  ('Website to Online Admissions', 2, 'Website', '00000000-0000-4000-8000-0000000000aa'),
  ('Walk-in to Delhi Centre', 3, 'Walk-in', '00000000-0000-4000-8000-0000000000bb'),
  ('Referral to Delhi Centre', 4, 'Referral', '00000000-0000-4000-8000-0000000000bb');

-- A lead form of Meta with two questions of its own; the default rows map the usual ones.
insert into public.lead_source_forms (provider, form_id, page_id, name) values
  ('meta', '310000000000001', '100000000000001', 'Fellowship enquiry');

insert into public.lead_source_mappings (provider, form_id, field, target, transform, position) values
  ('meta', '310000000000001', 'which_course_are_you_interested_in?', 'course', 'trim', 10),
  ('meta', '310000000000001', 'years_of_practice', 'custom:years_of_practice', 'trim', 20);

-- Leads, oldest first, each taken as far as it got before the next one comes.

do $$
declare
  people constant integer := 312;
  -- Men and women in turn, for salutation and gender.
  first_names constant text[] := array[
    'Aarav', 'Aditi', 'Akash', 'Ananya', 'Anil', 'Bhavna', 'Chetan', 'Deepa', 'Dinesh', 'Esha', 'Gaurav', 'Harini', 'Ishaan', 'Jyoti', 'Karthik', 'Lakshmi',
    'Manish', 'Meera', 'Nikhil', 'Nandini', 'Pranav', 'Pooja', 'Rahul', 'Ritu', 'Sameer', 'Sara', 'Sanjay', 'Shreya', 'Varun', 'Sunita', 'Vikram', 'Tanvi'
  ];
  last_names constant text[] := array[
    'Agarwal', 'Banerjee', 'Bhat', 'Chatterjee', 'Chauhan', 'Das', 'Deshmukh', 'Fernandes', 'Gill', 'Gupta', 'Hegde', 'Jain', 'Joshi', 'Kapoor', 'Khan', 'Kulkarni',
    'Malhotra', 'Mishra', 'Nambiar', 'Pandey', 'Patel', 'Pillai', 'Rao', 'Reddy', 'Saxena', 'Shah', 'Sharma', 'Singh', 'Thomas', 'Varma', 'Yadav'
  ];
  -- As often as they stand here.
  sources constant text[] := array[
    'Website', 'Website', 'Website', 'Website', 'Facebook Ad', 'Facebook Ad', 'Facebook Ad', 'Facebook Ad', 'Facebook Ad',
    'Google', 'Google', 'Google', 'LinkedIn', 'Walk-in', 'Walk-in', 'Referral'
  ];
  courses constant text[] := array[
    'Fellowship in Diabetology', 'Fellowship in Emergency Medicine', 'Fellowship in Critical Care', 'Fellowship in Clinical Cardiology',
    'Fellowship in Aesthetic Medicine', 'Fellowship in Internal Medicine', 'PG Diploma in Public Health', 'MBA in Hospital Administration'
  ];
  fees constant integer[] := array[185000, 240000, 260000, 275000, 165000, 220000, 95000, 320000];
  qualifications constant text[] := array['MBBS', 'MBBS', 'MBBS', 'MBBS', 'MD', 'BDS', 'BAMS', 'B.Sc. Nursing'];
  cities constant text[] := array[
    'New Delhi', 'Mumbai', 'Bengaluru', 'Hyderabad', 'Chennai', 'Pune', 'Kolkata', 'Lucknow', 'Jaipur', 'Kochi', 'Indore', 'Bhubaneswar'
  ];
  territories constant text[] := array['North', 'West', 'South', 'South', 'South', 'West', 'East', 'North', 'North', 'South', 'West', 'East'];
  lost_because constant text[] := array['Fees above budget', 'Joined another institute', 'Not eligible', 'Did not answer five calls', 'Postponed to next year'];
  closed_because constant text[] := array['Duplicate enquiry', 'Wrong number', 'Was looking for an undergraduate course'];
  moved_because constant text[] := array['Prefers to speak Malayalam', 'Counselor on leave', 'Asked for somebody who knows the course'];
  manager_a constant uuid := (select d.id from demo_people d where d.email = 'manager.a@intake.test');
  manager_b constant uuid := (select d.id from demo_people d where d.email = 'manager.b@intake.test');
  team_a constant uuid[] := array(select d.id from demo_people d where d.email like 'counselor.a%' order by d.email);
  stages constant text[] := array['new', 'contacted', 'qualified', 'proposal', 'enrolled'];
  -- Of 256 leads in each open stage: how many go on, and how many come to an end. The rest stay.
  goes_on constant integer[] := array[236, 142, 152, 146];
  ends constant integer[] := array[4, 78, 60, 60];
  -- 32 numbers from 0 to 255 that belong to this lead.
  dice integer[];
  arrived timestamptz;
  moved timestamptz;
  point timestamp;
  stage integer;
  next_stage text;
  source_name text;
  person text;
  address text;
  course_no integer;
  city_no integer;
  target uuid;
  worker uuid;
begin
  -- Three hundred assignments at once would be told in one sentence; they are told one by one below.
  alter table public.leads disable trigger notify_assignees_of_new;

  alter table public.leads disable trigger notify_assignees_of_changed;

  for n in 1 .. people loop
    select array_agg(get_byte(h.bytes, i) order by i) into dice
    from (select decode(md5('who is enquiry ' || n) || md5('what became of enquiry ' || n), 'hex') as bytes) h, generate_series(0, 31) i;

    -- Enquiries become more frequent over the months, and come between nine in the morning and eight.
    point := (now() - interval '120 days' * (1 - (n + dice[1] / 256.0) / (people + 2)) ^ 1.25) at time zone 'Asia/Kolkata';
    arrived := (date_trunc('day', point) + interval '9 hours' + (point - date_trunc('day', point)) * 11 / 24) at time zone 'Asia/Kolkata';
    arrived := least(arrived, now() - interval '7 minutes' * (people - n + 1));

    person := first_names[1 + dice[2] % 32] || ' ' || last_names[1 + dice[3] % 31];
    address := lower(replace(person, ' ', '.')) || n || '@example.com';
    source_name := sources[1 + dice[4] % 16];
    course_no := 1 + dice[5] % 8;
    city_no := 1 + dice[6] % 12;

    insert into public.leads (salutation, name, email, phone, source, course, qualification, experience, gender, territory, currency, tags, custom_fields, created_by, created_at)
    values (
      case when dice[7] % 8 < 7 then 'Dr.' when dice[2] % 2 = 0 then 'Mr.' else 'Ms.' end,
      person,
      address,
      -- Some leave no number.
      case when dice[8] >= 16 then '+9112345' || lpad((n * 307)::text, 5, '0') end,
      source_name,
      courses[course_no],
      qualifications[1 + dice[7] % 8],
      dice[9] % 15,
      case dice[2] % 2 when 0 then 'male' else 'female' end,
      territories[city_no],
      'INR',
      case dice[10] % 9 when 0 then array['scholarship'] when 1 then array['weekend batch'] else '{}' end,
      jsonb_build_object('city', cities[city_no]),
      case when source_name in ('Walk-in', 'Referral') then manager_b end,
      arrived
    )
    returning id into target;

    -- What was recorded in this transaction bears its time: each step moves its own rows to theirs.
    update public.activities a
    set occurred_at = arrived + interval '1 second' * (a.type = 'assigned')::integer,
      actor_id = case when a.type = 'created' and source_name in ('Walk-in', 'Referral') then manager_b end
    where a.lead_id = target;

    update public.lead_assignments a set assigned_at = arrived + interval '1 second' where a.lead_id = target;

    update public.lead_enquiries e set received_at = arrived where e.lead_id = target;

    select l.assigned_to into worker from public.leads l where l.id = target;

    -- Nobody works on a lead that waits for an owner.
    continue when worker is null;

    stage := 1;
    -- The first call comes within a day, the next steps take days.
    moved := arrived + interval '1 minute' * (20 + dice[11] * 5);

    while stage < 5 loop
      -- In working hours: what would fall into the night waits for the day.
      moved := moved + interval '1 hour' * case
        when extract(hour from moved at time zone 'Asia/Kolkata') >= 20 then 13
        when extract(hour from moved at time zone 'Asia/Kolkata') < 9 then 9
        else 0
      end;

      exit when moved > now();

      next_stage := case
        when dice[11 + stage] < goes_on[stage] then stages[stage + 1]
        when dice[11 + stage] < goes_on[stage] + ends[stage] then case when dice[16] % 6 = 0 and stage < 3 then 'closed' else 'lost' end
      end;

      exit when next_stage is null;

      perform set_config('intake.reason', case next_stage
        when 'lost' then lost_because[1 + dice[17] % 5]
        when 'closed' then closed_because[1 + dice[17] % 3]
        else ''
      end, true);

      update public.leads l
      set status = next_stage,
        last_interaction_at = moved,
        score = case when next_stage in ('lost', 'closed') then 5 else least(100, 15 + stage * 18 + dice[18] % 14) end,
        -- The fee is entered once it was spoken about.
        value = case when next_stage in ('qualified', 'proposal', 'enrolled') or dice[19] % 2 = 0 then fees[course_no] else l.value end
      where l.id = target;

      update public.lead_history h set changed_at = moved, changed_by = worker where h.lead_id = target and h.changed_at = now();

      update public.activities a set occurred_at = moved, actor_id = worker where a.lead_id = target and a.occurred_at = now();

      -- Some who were lost ask again: the same address opens the lead they have.
      if next_stage = 'lost' and dice[29] % 8 = 0 and moved + interval '9 days' < now() then
        moved := moved + interval '9 days';

        insert into public.leads (name, email, source) values (person, address, 'Google');

        update public.lead_enquiries e set received_at = moved where e.lead_id = target and e.received_at = now();

        update public.lead_history h set changed_at = moved where h.lead_id = target and h.changed_at = now();

        update public.activities a set occurred_at = moved where a.lead_id = target and a.occurred_at = now();

        update public.notifications m set created_at = moved where m.lead_id = target and m.created_at = now();
      end if;

      exit when next_stage in ('lost', 'closed');

      -- A manager moves some from one counselor to the other.
      if stage = 1 and dice[20] % 16 = 0 and worker = any (team_a) and moved + interval '3 hours' < now() then
        worker := team_a[case worker when team_a[1] then 2 else 1 end];

        perform set_config('intake.assignment', jsonb_build_object('method', 'manual', 'reason', moved_because[1 + dice[21] % 3])::text, true);

        update public.leads l set assigned_to = worker where l.id = target;

        perform set_config('intake.assignment', '', true);

        update public.lead_assignments a set assigned_at = moved + interval '3 hours', assigned_by = manager_a where a.lead_id = target and a.assigned_at = now();

        update public.activities a set occurred_at = moved + interval '3 hours', actor_id = manager_a where a.lead_id = target and a.occurred_at = now();
      end if;

      moved := moved + interval '1 hour' * (30 + dice[21 + stage] * 0.7);
      stage := stage + 1;
    end loop;
  end loop;

  perform set_config('intake.reason', '', true);
end
$$;

-- The rest is dating back: no rule has a say in it, and it is no change that anybody made.

do $$
begin
  alter table public.leads disable trigger user;

  update public.leads l
  set last_enquiry_at = (select max(e.received_at) from public.lead_enquiries e where e.lead_id = l.id),
    status_changed_at = coalesce((select max(h.changed_at) from public.lead_history h where h.lead_id = l.id), l.created_at),
    updated_at = (select max(a.occurred_at) from public.activities a where a.lead_id = l.id);

  alter table public.leads enable trigger user;

  alter table public.notifications disable trigger user;

  -- In the words of the trigger.
  insert into public.notifications (user_id, title, message, type, lead_id, metadata, sender_id, created_at)
  select
    a.to_user_id, 'New lead assigned', format('%s is now yours.', l.lead_id), 'lead', l.id,
    jsonb_build_object('event', 'lead_assigned', 'lead_number', l.lead_id), a.assigned_by, a.assigned_at
  from public.lead_assignments a
  join public.leads l on l.id = a.lead_id
  where a.to_user_id is not null and a.assigned_at > now() - interval '30 days'
  order by a.assigned_at;

  -- Who works on leads every day has read what is older than yesterday.
  update public.notifications n
  set is_read = true, read_at = n.created_at + interval '40 minutes'
  where n.created_at < now() - interval '1 day';

  alter table public.notifications enable trigger user;

  alter table public.profiles disable trigger user;

  update public.profiles p set created_at = now() - interval '130 days' where p.id in (select d.id from demo_people d);

  alter table public.profiles enable trigger user;
end
$$;

-- Working hours, and what is promised of leads: of those of the last ten days, the first conversation was a call.

insert into public.business_hours (weekday, opens, closes)
select d, h.opens, h.closes
from generate_series(1, 6) d
join (values ('09:00', '13:00'), ('14:00', '19:00')) h (opens, closes) on d < 6 or h.opens = '09:00'
where exists (select from demo_people);

insert into public.holidays (day, name)
select (extract(year from now())::integer + 1 || h.day)::date, h.name
from (values ('-01-26', 'Republic Day'), ('-08-15', 'Independence Day')) h (day, name)
where exists (select from demo_people);

insert into public.sla_policies (name, kind, stage, source, target_minutes, warn_before_minutes, escalate_after_minutes, active_since)
select p.name, p.kind, p.stage, p.source, p.target, p.warn, p.escalate, now() - interval '10 days'
from (values
  ('Answer ad leads within four hours', 'first_response', null, 'Facebook Ad', 240, 30, 240),
  ('Answer the website within a working day', 'first_response', null, 'Website', 540, 60, 540),
  ('Speak again within three working days', 'follow_up', 'contacted', null, 1620, 120, null)
) p (name, kind, stage, source, target, warn, escalate)
where exists (select from demo_people);

-- What some of them were written, and answered.

insert into public.communications (lead_id, user_id, sent_by, type, direction, subject, content, recipient, status, sent_at)
select l.id, l.assigned_to, l.assigned_to, 'email', 'outbound', 'Your enquiry', 'Thank you for your interest. When may we call you?', l.email, 'delivered', l.created_at + interval '1 hour'
from public.leads l
where l.email is not null and l.assigned_to is not null and l.lead_no % 9 = 0 and l.created_at < now() - interval '1 day';

insert into public.communications (lead_id, user_id, type, direction, content, sender, sent_at)
select l.id, l.assigned_to, 'whatsapp', 'inbound', 'Please call me after six.', l.phone, l.created_at + interval '5 hours'
from public.leads l
where l.phone is not null and l.assigned_to is not null and l.lead_no % 18 = 0 and l.created_at < now() - interval '1 day';

insert into public.calls (lead_id, agent_id, outcome, started_at, duration)
select l.id, l.assigned_to, 'connected', h.first_at, 120 + 7 * (l.lead_no % 60)
from public.leads l
cross join lateral (select min(h.changed_at) as first_at from public.lead_history h where h.lead_id = l.id) h
where l.created_at > now() - interval '10 days' and h.first_at is not null and l.assigned_to is not null
order by h.first_at;

do $$
begin
  perform private.sla_apply(array(select l.id from public.leads l where l.created_at > now() - interval '10 days'));

  perform private.refresh_risks(array(select l.id from public.leads l));
end
$$;

-- What people looked at in the last weeks.

insert into public.analytics_events (user_id, event_type, event_name, category, source, medium, campaign, duration, created_at)
select d.id, e.type, e.name, 'engagement', e.source, e.medium, e.campaign, 20 + 13 * (n % 17), now() - make_interval(hours => 7 * n)
from generate_series(1, 90) n
join (select p.id, row_number() over (order by p.id) as place, count(*) over () as people from demo_people p) d on d.place = 1 + n % d.people
join (values
  (0, 'page_view', 'Looked at a brochure', 'website', 'organic', null),
  (1, 'link_click', 'Followed a link', 'facebook', 'paid_social', 'fellowship-launch'),
  (2, 'report_opened', 'Opened the dashboard', 'app', 'direct', null)
) e (place, type, name, source, medium, campaign) on e.place = n % 3;

-- What the first manager reports on, and has sent every Monday.

with manager as (
  select p.id, p.email from public.profiles p join public.roles r on r.id = p.role_id and r.key = 'manager'
  where p.id in (select d.id from demo_people d)
  order by p.email
  limit 1
), report as (
  insert into public.reports (name, description, grouping, aggregations, sorting, date_range, is_shared, is_pinned, created_by)
  select 'Enrolments by course', 'Which courses are asked for, and which are taken.', '["course"]', '["count", "enrollments", "conversion_rate"]', '["-count"]',
    '{"period": "last_90_days"}', true, true, m.id
  from manager m
  returning id, created_by
)
insert into public.scheduled_reports (report_id, created_by, frequency, "time", recipients)
select r.id, r.created_by, 'weekly', '09:00', array[m.email] from report r join manager m on m.id = r.created_by;

-- What a website sends enquiries with, and who is told of them. The key is nobody's: make one to try it.

insert into public.custom_fields (key, label, kind, options, position) values
  ('years_of_practice', 'Years of practice', 'number', null, 10),
  ('preferred_intake', 'Preferred intake', 'choice', '{January,July}', 20);

insert into public.api_keys (name, key_prefix, last4, key_hash, scopes, last_used_at, revoked_at)
select k.name, left(k.key, 15), right(k.key, 4), private.api_key_hash(k.key), '{leads.create,forms.read}', k.used, k.revoked
from (values
  ('Website enquiry form', private.new_api_key(), now() - interval '2 hours', null),
  ('Old landing page', private.new_api_key(), now() - interval '40 days', now() - interval '30 days')
) k (name, key, used, revoked);

with hook as (
  insert into public.webhooks (name, endpoint_url, events, is_active)
  values ('Accounting', 'https://hooks.example.com/intake', '{lead.converted,deal.created}', false)
  returning id
)
insert into public.webhook_deliveries (webhook_id, event_id, event, payload, status, attempts, next_at, last_attempt_at, response_code, duration_ms, delivered_at, created_at)
select h.id, gen_random_uuid(), 'webhook.test', jsonb_build_object('type', 'webhook.test', 'timestamp', '2026-01-01T00:00:00.000Z', 'data', jsonb_build_object('webhook_id', h.id)),
  o.status, o.attempts, null, now() - o.ago, o.code, 84, case o.status when 'delivered' then now() - o.ago end, now() - o.ago
from hook h, (values ('failed', 10, 503, interval '5 days'), ('delivered', 1, 204, interval '2 days')) o (status, attempts, code, ago);

-- Who enrolled first pays a fellowship in three parts: some paid one, one got money back, all owe the rest.

insert into public.students (lead_id, name, academic_year, semester)
select l.id, '', '2025-26', '1'
from public.leads l
join public.pipeline_stages s on s.key = l.status and s.is_won
where not exists (select from public.students x where x.lead_id = l.id)
order by l.created_at
limit 6;

-- What is asked for of them; files cannot be made here.
insert into public.documents (student_id, uploaded_by, document_name, document_type, is_required, is_confidential, notes)
select s.id, s.assigned_to, d.name, d.kind, true, d.is_confidential, d.notes
from public.students s
cross join (values
  ('Degree certificate', 'certificate', false, 'Both sides, attested'), ('Photo ID', 'id_card', false, null), ('Fitness certificate', 'medical', true, null)
) d (name, kind, is_confidential, notes)
order by s.created_at, s.id, d.kind;

insert into public.fee_plans (assigned_to, team_id, student_id, name, fee_type, academic_year, semester, total_amount, currency)
select s.assigned_to, s.team_id, s.id, 'Fellowship', 'course_fee', s.academic_year, s.semester, 150000, 'INR'
from public.students s;

insert into public.fee_installments (assigned_to, team_id, plan_id, student_id, number, amount, currency, due_date)
select f.assigned_to, f.team_id, f.id, f.student_id, i.place, (i.part ->> 'amount')::numeric, f.currency, (i.part ->> 'due_date')::date
from public.fee_plans f
cross join lateral jsonb_array_elements(private.divide_fee(f.total_amount, f.currency, 3, current_date - 40, 2)) with ordinality i (part, place);

insert into public.payments (student_id, amount, payment_method, fee_type, academic_year, semester, due_date, description)
select s.id, 50000, case when n % 2 = 0 then 'bank_transfer' else 'upi' end, 'course_fee', s.academic_year, s.semester, current_date - 40, 'First part of the fellowship'
from (select x.*, row_number() over (order by x.student_no) as n from public.students x) s;

insert into private.payment_transactions (gateway, transaction_id, payment_id, status, amount, currency, method, captured_at)
select 'offline', p.id::text, p.id, 'captured', p.amount, p.currency, p.payment_method, now() - make_interval(days => 2 * n::integer)
from (select x.*, row_number() over (order by x.id) as n from public.payments x) p
where n <= 4;

insert into public.refunds (payment_id, amount, currency, reason, status, gateway, transaction_id, processed_at)
select t.payment_id, 5000, t.currency, 'Scholarship granted later', 'succeeded', t.gateway, t.transaction_id, now() - interval '1 day'
from private.payment_transactions t
order by t.captured_at
limit 1;

select private.payment_settle(p.id) from public.payments p order by p.id;

-- Workflows: one that runs and has something to do tomorrow, one that is not finished; and who hears of escalations.

insert into public.automation_workflows (name, description, trigger_type, trigger_conditions, actions, status, active_since)
select t.name, t.description, t.trigger_type, t.trigger_conditions, jsonb_set(t.actions, '{0,delay}', '86400'), w.status, now() - interval '1 day'
from (values ('Lead Qualification', 'active'), ('New Lead Follow-up', 'draft')) w (name, status)
join public.automation_templates t on t.name = w.name
where exists (select from demo_people);

do $$
begin
  perform private.automation_begin(
    private.automation_events(array(select a.id from public.activities a where a.type = 'call' order by a.occurred_at desc limit 20)), now()
  );
end
$$;

insert into public.notification_rules (event, channel, role_id, is_enabled)
select 'sla_escalated', 'email', r.id, true
from public.roles r
where r.key = 'manager' and exists (select from demo_people);

-- Campaigns: one that is being written, one that went out, and one of Meta.
insert into public.campaigns (name, description, type, target_audience, target_criteria, subject, content, scheduled_at, tags, created_by)
select 'Fellowship Program Launch', 'Promoting new fellowship programs', 'email', 'Qualified Medical Professionals', '{"qualification": "MBBS", "experience": ">2"}',
  'Advanced Fellowship Programs Available', 'Dear {{first_name}}, we are excited to announce our new fellowships: https://meridian.example.test/fellowships',
  date_trunc('day', now()) + interval '7 days', '{fellowship,medical}', d.id
from demo_people d
where d.role = 'manager' and d.team_id = '00000000-0000-4000-8000-0000000000aa';

insert into public.campaigns (id, name, type, status, target_criteria, subject, content, started_at, tags, created_by)
select '00000000-0000-4000-8000-00000000ca01', 'Open house', 'email', 'completed', '{"source": "Website"}', 'Come and see us', 'Dear {{first_name}}, our doors are open on Saturday.', now() - interval '20 days', '{event}', d.id
from demo_people d
where d.role = 'manager' and d.team_id = '00000000-0000-4000-8000-0000000000aa';

insert into public.campaign_recipients (campaign_id, position, lead_id, channel, status, sent_at, delivered_at, opened_at, clicked_at, failed_at, error)
select '00000000-0000-4000-8000-00000000ca01', l.n, l.id, 'email', case when n % 15 = 0 then 'failed' else 'delivered' end, l.at,
  case when n % 15 > 0 then l.at + interval '1 minute' end, case when n % 15 > 0 and n % 3 = 0 then l.at + interval '3 hours' end,
  case when n % 15 > 0 and n % 9 = 0 then l.at + interval '3 hours' end, case when n % 15 = 0 then l.at + interval '1 minute' end, case when n % 15 = 0 then 'address_unreachable' end
from (
  select x.id, row_number() over (order by x.lead_no)::integer as n, now() - interval '20 days' as at
  from public.leads x
  where x.source = 'Website' and x.email is not null and x.deleted_at is null
) l;

update public.campaigns c set recipients_count = (select count(*) from public.campaign_recipients r where r.campaign_id = c.id) where c.name = 'Open house';

select private.campaign_pulse('{00000000-0000-4000-8000-00000000ca01}'), private.campaigns_sweep();

select private.insights_campaigns('[{"id": "120000000000001", "name": "Summer Sale", "objective": "OUTCOME_SALES", "effective_status": "ACTIVE"}]');

-- Ten days that come to what the dashboard document samples: 12,500 spent, 450,000 impressions, 12,000 clicks, 450 leads, 3.5 times as much earned.
select private.insights_days((
  select jsonb_agg(jsonb_build_object(
    'campaign_id', '120000000000001', 'date_start', current_date - n, 'account_currency', 'INR',
    'spend', 1250 + 50 * (n % 5 - 2), 'impressions', 45000 + 900 * (n % 5 - 2), 'clicks', 1200 + 30 * (n % 5 - 2),
    'actions', jsonb_build_array(jsonb_build_object('action_type', 'lead', 'value', (45 + n % 5 - 2)::text)),
    'action_values', jsonb_build_array(jsonb_build_object('action_type', 'omni_purchase', 'value', (4375 + 120 * (n % 5 - 2))::text))
  ))
  from generate_series(1, 10) n
));

-- The lead of the same document, and the day she opened an e-mail.
with alice as (
  insert into public.leads (name, email, source, value, currency, last_interaction_at, created_at)
  values ('Alice Johnson', 'alice@example.com', 'Facebook Ad', 1200, 'INR', '2024-03-10 10:00+00', '2024-03-01 09:00+00')
  returning id
)
insert into public.activities (lead_id, type, title, occurred_at)
select id, 'email_opened', 'Opened Email', '2024-03-10 10:00+00' from alice;

drop table demo_people;
