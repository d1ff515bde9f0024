-- Pipeline: the stages a lead moves through, and which moves are allowed.

-- Tables

create table public.pipeline_stages (
  key text primary key,
  name text not null,
  position smallint not null,
  is_won boolean not null default false,
  is_lost boolean not null default false,
  is_closed boolean not null default false,
  probability smallint not null default 0,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  constraint pipeline_stages_key_is_snake_case check (key ~ '^[a-z][a-z0-9_]{0,62}$'),
  constraint pipeline_stages_name_is_not_blank check (btrim(name) <> ''),
  constraint pipeline_stages_position_is_positive check (position > 0),
  constraint pipeline_stages_position_is_unique unique (position) deferrable initially deferred,
  constraint pipeline_stages_probability_is_a_percentage check (probability between 0 and 100),
  constraint pipeline_stages_won_or_lost_is_closed check ((not is_won or is_closed) and (not is_lost or is_closed) and not (is_won and is_lost))
);

comment on table public.pipeline_stages is 'The stages of the pipeline. leads.status holds the key.';

comment on column public.pipeline_stages.position is 'Order on the board and in the funnel.';

comment on column public.pipeline_stages.is_won is 'Reaching it is an enrolment; it is the last stage of the funnel.';

comment on column public.pipeline_stages.is_lost is 'The lead was lost.';

comment on column public.pipeline_stages.is_closed is 'No work is left to do: such leads do not count as open. Won and lost stages are closed, and others may be.';

comment on column public.pipeline_stages.probability is 'Percent of the value that a forecast counts.';

create table public.pipeline_transitions (
  from_stage text not null references public.pipeline_stages (key) on update cascade on delete cascade,
  to_stage text not null references public.pipeline_stages (key) on update cascade on delete cascade,
  primary key (from_stage, to_stage),
  constraint pipeline_transitions_change_the_stage check (from_stage <> to_stage)
);

comment on table public.pipeline_transitions is 'A stage with rows here may only be left for the stages named; a stage without rows may be left for any.';

create index pipeline_transitions_by_target on public.pipeline_transitions (to_stage);

-- Policies

alter table public.pipeline_stages enable row level security;

alter table public.pipeline_transitions enable row level security;

create policy pipeline_stages_read on public.pipeline_stages for select to authenticated
  using ((select private.gate_own()) is not null);

comment on policy pipeline_stages_read on public.pipeline_stages is 'Every active person works with the stages.';

create policy pipeline_stages_create on public.pipeline_stages for insert to authenticated
  with check ((select private.has_permission('pipeline.manage')));

comment on policy pipeline_stages_create on public.pipeline_stages is 'Needs pipeline.manage.';

create policy pipeline_stages_change on public.pipeline_stages for update to authenticated
  using ((select private.has_permission('pipeline.manage')))
  with check ((select private.has_permission('pipeline.manage')));

comment on policy pipeline_stages_change on public.pipeline_stages is 'Needs pipeline.manage.';

create policy pipeline_stages_delete on public.pipeline_stages for delete to authenticated
  using ((select private.has_permission('pipeline.manage')));

comment on policy pipeline_stages_delete on public.pipeline_stages is 'Needs pipeline.manage; a stage that leads are in is kept by its foreign key.';

create policy pipeline_transitions_read on public.pipeline_transitions for select to authenticated
  using ((select private.gate_own()) is not null);

comment on policy pipeline_transitions_read on public.pipeline_transitions is 'Every active person may know which moves are allowed.';

create policy pipeline_transitions_create on public.pipeline_transitions for insert to authenticated
  with check ((select private.has_permission('pipeline.manage')));

comment on policy pipeline_transitions_create on public.pipeline_transitions is 'Needs pipeline.manage.';

create policy pipeline_transitions_delete on public.pipeline_transitions for delete to authenticated
  using ((select private.has_permission('pipeline.manage')));

comment on policy pipeline_transitions_delete on public.pipeline_transitions is 'Needs pipeline.manage.';

-- Triggers

create trigger touch_updated_at before update on public.pipeline_stages for each row execute function private.touch_updated_at();

create trigger audit after insert or update or delete on public.pipeline_stages for each row execute function private.audit_row();

create trigger audit after insert or update or delete on public.pipeline_transitions for each row execute function private.audit_row();

-- Functions

create function private.first_stage() returns text
language plpgsql stable security definer set search_path = '' as $$
begin
  return (select s.key from public.pipeline_stages s where not s.is_closed order by s.position limit 1);
end
$$;

comment on function private.first_stage() is 'Where a lead starts: the first open stage.';

create function private.funnel_position(p_stage text) returns smallint
language plpgsql stable security definer set search_path = '' as $$
begin
  return (select s.position from public.pipeline_stages s where s.key = p_stage and (s.is_won or not s.is_closed));
end
$$;

comment on function private.funnel_position(text) is 'Position of a stage that counts in the funnel, null for lost and otherwise closed ones.';

create function public.pipeline_summary() returns table (stage text, name text, "position" smallint, count bigint, value numeric)
language plpgsql stable security invoker set search_path = '' as $$
begin
  return query execute format($query$
    select s.key, s.name, s.position, coalesce(l.leads, 0), coalesce(l.value, 0)
    from public.pipeline_stages s
    left join (
      select l.status, count(*) as leads, sum(l.value) as value
      from public.leads l
      where l.deleted_at is null and %s
      group by l.status
    ) l on l.status = s.key
    order by s.position
  $query$, private.scope_filter('l'));
end
$$;

comment on function public.pipeline_summary() is 'How many leads, and what they are worth, in each stage of the pipeline, over the leads the caller may see. Answers D3-010.';

create function public.pipeline_board(p_limit integer default 20) returns jsonb
language plpgsql stable security invoker set search_path = '' as $$
declare
  board jsonb;
begin
  if p_limit is null or p_limit not between 0 and 100 then
    perform private.fail('argument_invalid', 'p_limit must be between 0 and 100');
  end if;

  execute format($query$
    select coalesce(jsonb_agg(jsonb_build_object(
      'stage', s.stage, 'name', s.name, 'count', s.count, 'value', s.value,
      'leads', (
        select coalesce(jsonb_agg(to_jsonb(card) order by card.created_at desc, card.id desc), '[]')
        from (
          select l.id, l.lead_id, l.name, l.source, l.score, l.value, l.currency, l.assigned_to, l.last_interaction_at, l.created_at
          from public.leads l
          where l.deleted_at is null and l.status = s.stage and %s
          order by l.created_at desc, l.id desc
          limit $1
        ) card
      )
    ) order by s.position), '[]')
    from public.pipeline_summary() s
  $query$, private.scope_filter('l')) into board using p_limit;

  return board;
end
$$;

comment on function public.pipeline_board(integer) is 'The board: per stage {stage, name, count, value, leads[]} with the newest p_limit (0 to 100) leads of each. Answers D2-037.';

-- Grants

revoke all on public.pipeline_stages, public.pipeline_transitions from anon, authenticated, service_role;

grant select, delete on public.pipeline_stages, public.pipeline_transitions to authenticated;

grant insert (key, name, position, is_won, is_lost, is_closed, probability), update (name, position, is_won, is_lost, is_closed, probability) on public.pipeline_stages to authenticated;

grant insert (from_stage, to_stage) on public.pipeline_transitions to authenticated;

grant select, insert, update, delete on public.pipeline_stages, public.pipeline_transitions to service_role;

revoke all on function private.first_stage() from public, anon, authenticated, service_role;

revoke all on function private.funnel_position(text) from public, anon, authenticated, service_role;

revoke all on function public.pipeline_summary() from public, anon, authenticated, service_role;

grant execute on function public.pipeline_summary() to authenticated;

revoke all on function public.pipeline_board(integer) from public, anon, authenticated, service_role;

grant execute on function public.pipeline_board(integer) to authenticated;

-- The stages the documents name, and this module's errors

insert into public.pipeline_stages (key, name, position, is_won, is_lost, is_closed, probability) values
  ('new', 'New', 1, false, false, false, 5),
  ('contacted', 'Contacted', 2, false, false, false, 15),
  ('qualified', 'Qualified', 3, false, false, false, 40),
  ('proposal', 'Proposal', 4, false, false, false, 65),
  ('enrolled', 'Enrolled', 5, true, false, true, 100),
  ('closed', 'Closed', 6, false, false, true, 0),
  ('lost', 'Lost', 7, false, true, true, 0);

-- An enrolment is not taken back by dragging a card; what was closed or lost can be opened again.
insert into public.pipeline_transitions (from_stage, to_stage) values
  ('enrolled', 'closed'),
  ('closed', 'contacted'),
  ('closed', 'qualified'),
  ('lost', 'new'),
  ('lost', 'contacted'),
  ('lost', 'qualified');

insert into public.error_codes (code, sqlstate, message, hint) values
  ('stage_unknown', 'PT422', 'There is no such stage.', 'Read the keys from pipeline_stages.'),
  ('transition_forbidden', 'PT422', 'A lead cannot be moved between these stages.', 'Read the allowed moves from pipeline_transitions.');
