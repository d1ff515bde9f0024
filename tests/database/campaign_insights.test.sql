-- Campaign insights: what Meta tells becomes campaigns, days and sums, the same however often it is told.

begin;

select no_plan();

create temp table people on commit drop as select tests.create_user('manager', 'Insights') as manager, tests.create_user('counselor', 'Insights') as counselor;

grant select on people to public;

-- What is to be read

update public.integrations set config = config - 'ad_account_ids' where type = 'facebook';

select is(private.insights_plan() -> 'accounts', '[]', 'without an ad account nothing is read');

update public.integrations set config = config || '{"ad_account_ids": ["act_1"]}' where type = 'facebook';

delete from public.campaign_insights_daily;

select results_eq(
  $$select p -> 'accounts', (p ->> 'until')::date - (p ->> 'since')::date from (select private.insights_plan() as p) x$$, $$values ('["act_1"]'::jsonb, 366)$$, 'at first a year is'
);

-- Campaigns

do $$ begin perform private.insights_campaigns('[
  {"id": "90001", "name": " Summer  Sale ", "objective": "OUTCOME_SALES", "effective_status": "ACTIVE"},
  {"id": "90002", "name": "Lead ads", "objective": "LEAD_GENERATION", "effective_status": "CAMPAIGN_PAUSED"},
  {"id": "90003", "name": "", "effective_status": "ARCHIVED"},
  {"id": "90004", "name": "Gone", "effective_status": "DELETED"}
]'); end $$;

select results_eq(
  $$select external_id, name, objective, status, type from public.campaigns where provider = 'meta' and external_id like '9000_' order by external_id$$,
  $$values
    ('90001', 'Summer Sale', 'Sales', 'active', 'ads'), ('90002', 'Lead ads', 'Lead Generation', 'paused', 'ads'),
    ('90003', '90003', null::text, 'completed', 'ads'), ('90004', 'Gone', null, 'cancelled', 'ads')$$, 'campaigns are here as they are there'
);

do $$ begin perform private.insights_campaigns('[{"id": "90003", "name": "Again", "effective_status": "ACTIVE"}]'); end $$;

select results_eq($$select name, status, ended_at from public.campaigns where external_id = '90003'$$, $$values ('Again', 'active', null::timestamptz)$$, 'and follow, whatever they were');

-- Days

create function pg_temp.tell() returns integer language sql as $$
  select private.insights_days('[
    {"campaign_id": "90001", "date_start": "2026-01-01", "account_currency": "INR", "spend": "12000.00", "impressions": "400000", "clicks": "11000",
     "actions": [{"action_type": "link_click", "value": "9"}, {"action_type": "onsite_conversion.lead_grouped", "value": "400"}, {"action_type": "lead", "value": "400"}],
     "action_values": [{"action_type": "purchase", "value": "1"}, {"action_type": "omni_purchase", "value": "43000"}]},
    {"campaign_id": "90001", "date_start": "2026-01-02", "account_currency": "INR", "spend": "500.00", "impressions": "50000", "clicks": "1000",
     "actions": [{"action_type": "onsite_conversion.lead_grouped", "value": "50"}], "action_values": [{"action_type": "purchase", "value": "750"}]},
    {"campaign_id": "90002", "date_start": "2026-01-01", "spend": "10", "impressions": "7"},
    {"campaign_id": "99999", "date_start": "2026-01-01", "spend": "10"}
  ]');
$$;

select is(pg_temp.tell(), 3, 'each day of a campaign that is known is written');

select is(pg_temp.tell(), 3, 'and again');

select results_eq(
  $$select spend, revenue, impressions, clicks, leads, cpl, roas, currency from public.campaigns where external_id = '90001'$$,
  $$values (12500.00, 43750.00, 450000::bigint, 12000::bigint, 450::bigint, 27.78, 3.50, 'INR')$$, 'its sums are the document''s figures, and no day counts twice'
);

select results_eq(
  $$select spend, leads, cpl, roas from public.campaigns where external_id = '90002'$$, $$values (10.00, 0::bigint, null::numeric, 0.00)$$, 'of what brought nothing there is no cost per lead'
);

do $$ begin perform private.insights_days('[{"campaign_id": "90001", "date_start": "2026-01-02", "account_currency": "INR", "spend": "600", "impressions": "50000", "clicks": "1000"}]'); end $$;

select is((select spend from public.campaigns where external_id = '90001'), 12600.00, 'a day that Meta tells anew replaces what it told');

select is((select (p ->> 'until')::date - (p ->> 'since')::date from (select private.insights_plan() as p) x), 29, 'once something was read, four weeks are');

-- Who sees it

select tests.authenticate_as((select manager from people));

select results_eq(
  $$select campaign_id, campaign_name, date_start, spend, leads, "CPL", "ROAS" from public.campaign_insights where campaign_id = '90001' and date_start = '2026-01-01'$$,
  $$values ('90001', 'Summer Sale', date '2026-01-01', 12000.00, 400::bigint, 30.00, 3.58)$$, 'a manager reads Meta''s keys, with CPL and ROAS'
);

select results_eq(
  $$select name, status, objective, spend, impressions, clicks, leads, roas, "ROAS" from public.campaigns_with_stats where name = 'Summer Sale' and spend = 12600$$,
  $$values ('Summer Sale', 'active', 'Sales', 12600.00, 450000::bigint, 12000::bigint, 400::bigint, 3.41, 3.41)$$, 'and the columns of the list'
);

select tests.authenticate_as((select counselor from people));

select is_empty('select from public.campaign_insights', 'a counselor none');

select tests.clear_authentication();

-- Runs

do $$ begin perform private.insights_done(3, 120), private.insights_done(0, 5, 'Graph error 4'); end $$;

select results_eq(
  $$select status, records_processed, execution_time from public.integration_logs where integration_name = 'facebook_ads' and created_at = now() order by status$$,
  $$values ('failure', 0, 5), ('success', 3, 120)$$, 'each run is in the log'
);

select is((select cron || ' ' || kind from private.job_schedules where name = 'meta.insights' and is_enabled), '*/15 * * * * meta.insights', 'and runs every quarter of an hour');

select * from finish();

rollback;
