-- Templates: messages that are written once and sent to many, with variables in double braces.
--
-- What a variable stands for is put in when the message is made: escaped where the template is HTML, and never
-- read for variables again. A template is edited in place; a message keeps the words it was sent with.

-- Tables

create table public.message_templates (
  id uuid primary key default private.uuid_v7(),
  name text not null,
  channel text not null,
  locale text not null default 'en',
  format text not null default 'text',
  subject text,
  content text not null,
  variables text[] not null default '{}',
  provider_template text,
  is_active boolean not null default true,
  created_by uuid references public.profiles (id) on delete set null,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  version bigint not null default 1,
  constraint message_templates_have_one_of_a_name unique (name, channel, locale),
  constraint message_templates_name_is_a_key check (name ~ '^[a-z0-9][a-z0-9_.-]{0,79}$'),
  constraint message_templates_channel_is_known check (channel in ('email', 'sms', 'whatsapp')),
  constraint message_templates_locale_is_a_language check (locale ~ '^[a-z]{2,3}(-[A-Z]{2})?$'),
  constraint message_templates_format_is_known check (format = 'text' or (format = 'html' and channel = 'email')),
  constraint message_templates_subject_is_of_an_email check (
    case channel when 'email' then coalesce(btrim(subject) <> '' and length(subject) <= 998 and subject !~ '[\r\n]', false) else subject is null end
  ),
  constraint message_templates_content_is_text check (btrim(content) <> '' and length(content) <= 100000),
  constraint message_templates_variables_are_few check (cardinality(variables) <= 50),
  constraint message_templates_provider_template_is_of_whatsapp check (
    provider_template is null or (channel = 'whatsapp' and provider_template ~ '^[a-z0-9_]+$' and length(provider_template) <= 512)
  )
);

comment on table public.message_templates is 'Templates of messages. Read by everybody who works here; changed with templates.manage. Answers D0-059, D2-033.';

comment on column public.message_templates.name is 'Its name, once per channel and locale, for example welcome.';

comment on column public.message_templates.channel is 'email, sms or whatsapp.';

comment on column public.message_templates.format is 'text, or for e-mail html: then the values of variables are escaped.';

comment on column public.message_templates.content is 'The words, with variables such as {{name}}. Of a lead there are name, first_name, email, phone, lead_number, counselor and organization; whoever sends may give more.';

comment on column public.message_templates.variables is 'The variables that subject and content name, in the order of their appearance. Kept by trigger.';

comment on column public.message_templates.provider_template is 'Name of the template that WhatsApp approved, sent instead of the words; its parameters are the variables in order.';

comment on column public.message_templates.version is 'Rises with every change.';

create index message_templates_by_creator on public.message_templates (created_by) where created_by is not null;

alter table public.communications
  -- squawk-ignore adding-foreign-key-constraint, constraint-missing-not-valid
  add constraint communications_template_id_fkey foreign key (template_id) references public.message_templates (id) on delete set null;

create index communications_of_template on public.communications (template_id) where template_id is not null;

-- Policies

alter table public.message_templates enable row level security;

create policy message_templates_read on public.message_templates for select to authenticated
  using ((select private.gate_own()) is not null);

comment on policy message_templates_read on public.message_templates is 'Everybody who works here.';

create policy message_templates_create on public.message_templates for insert to authenticated
  with check ((select private.has_permission('templates.manage')));

comment on policy message_templates_create on public.message_templates is 'With templates.manage.';

create policy message_templates_change on public.message_templates for update to authenticated
  using ((select private.has_permission('templates.manage')))
  with check ((select private.has_permission('templates.manage')));

comment on policy message_templates_change on public.message_templates is 'With templates.manage.';

create policy message_templates_delete on public.message_templates for delete to authenticated
  using ((select private.has_permission('templates.manage')));

comment on policy message_templates_delete on public.message_templates is 'With templates.manage. Messages made from it keep their words.';

-- Functions

create function private.variables_in(p_text text) returns text[]
language plpgsql immutable set search_path = '' as $$
begin
  return coalesce((
    select array_agg(v.name order by v.first)
    from (
      select m.found[1] as name, min(m.position) as first
      from regexp_matches(p_text, '\{\{\s*([A-Za-z][A-Za-z0-9_]{0,59})\s*\}\}', 'g') with ordinality as m (found, position)
      group by m.found[1]
    ) v
  ), '{}');
end
$$;

comment on function private.variables_in(text) is 'The variables a text names, in the order in which they first appear.';

create function private.escape_html(p_text text) returns text
language plpgsql immutable set search_path = '' as $$
begin
  return replace(replace(replace(replace(replace(p_text, '&', '&amp;'), '<', '&lt;'), '>', '&gt;'), '"', '&quot;'), '''', '&#39;');
end
$$;

comment on function private.escape_html(text) is 'A text as HTML that shows it, in an element or a quoted attribute.';

create function private.fill_template(p_text text, p_values jsonb, p_format text default 'text') returns text
language plpgsql immutable set search_path = '' as $$
declare
  literals text[] := regexp_split_to_array(p_text, '\{\{\s*[A-Za-z][A-Za-z0-9_]{0,59}\s*\}\}');
  filled text := literals[1];
  place integer := 1;
  named text[];
  value text;
begin
  -- In one pass: what a value holds is text, even if it looks like a variable.
  for named in select m from regexp_matches(p_text, '\{\{\s*([A-Za-z][A-Za-z0-9_]{0,59})\s*\}\}', 'g') m loop
    place := place + 1;
    value := coalesce(p_values ->> named[1], '{{' || named[1] || '}}');

    filled := filled || case p_format
      when 'html' then private.escape_html(value)
      -- A subject is one line, or it would become more headers.
      when 'line' then regexp_replace(value, '[\r\n]+', ' ', 'g')
      else value
    end || literals[place];
  end loop;

  return filled;
end
$$;

comment on function private.fill_template(text, jsonb, text) is 'A text with its variables filled in; one without a value stays as it is written. As text, html or line.';

create function private.lead_variables(p_lead_id uuid) returns jsonb
language plpgsql stable security invoker set search_path = '' as $$
begin
  return jsonb_build_object('organization', private.setting('organization.name') #>> '{}') || coalesce((
    select jsonb_strip_nulls(jsonb_build_object(
      'name', l.name, 'first_name', split_part(btrim(l.name), ' ', 1), 'email', l.email, 'phone', l.phone, 'lead_number', l.lead_id,
      'counselor', nullif(p.full_name, '')
    ))
    from public.leads l
    left join public.profiles p on p.id = l.assigned_to
    where l.id = p_lead_id
  ), '{}');
end
$$;

comment on function private.lead_variables(uuid) is 'What the variables of a lead stand for, as far as the caller sees it.';

create function private.find_template(p_template text, p_channel text, p_locale text default 'en') returns public.message_templates
language plpgsql stable security invoker set search_path = '' as $$
declare
  template public.message_templates;
begin
  if p_template ~ '^[0-9a-fA-F]{8}-([0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}$' then
    select t.* into template from public.message_templates t where t.id = p_template::uuid and t.is_active and t.channel = coalesce(p_channel, t.channel);
  else
    select t.* into template
    from public.message_templates t
    where t.name = lower(btrim(p_template)) and t.is_active and t.channel = coalesce(p_channel, t.channel)
    order by t.locale <> coalesce(p_locale, 'en'), t.locale <> 'en', t.channel <> 'email', t.channel, t.locale
    limit 1;
  end if;

  if template.id is null then
    perform private.fail('template_not_found', left(p_template, 80));
  end if;

  return template;
end
$$;

comment on function private.find_template(text, text, text) is 'An active template by id or name, in the locale asked for if there is one, else in English. Error template_not_found.';

create function private.render_template(p_template public.message_templates, p_values jsonb) returns jsonb
language plpgsql stable set search_path = '' as $$
begin
  return jsonb_build_object(
    'template_id', p_template.id,
    'name', p_template.name,
    'channel', p_template.channel,
    'locale', p_template.locale,
    'format', p_template.format,
    'subject', private.fill_template(p_template.subject, p_values, 'line'),
    'content', private.fill_template(p_template.content, p_values, p_template.format),
    'missing', (select coalesce(jsonb_agg(v order by n), '[]') from unnest(p_template.variables) with ordinality u (v, n) where p_values ->> v is null)
  );
end
$$;

comment on function private.render_template(public.message_templates, jsonb) is 'A template with its variables filled in: {template_id, name, channel, locale, format, subject, content, missing}.';

-- Triggers

create function private.prepare_template() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
  new.name := lower(btrim(new.name));
  new.channel := lower(btrim(new.channel));
  new.format := lower(btrim(new.format));
  new.variables := private.variables_in(concat_ws(E'\n', new.subject, new.content));

  if tg_op = 'INSERT' and auth.uid() is not null then
    new.created_by := private.gate_own();
  end if;

  return new;
end
$$;

comment on function private.prepare_template() is 'Reads which variables a template names, and who made it.';

create trigger prepare_template before insert or update on public.message_templates
  for each row execute function private.prepare_template();

create trigger touch_version before update on public.message_templates for each row execute function private.touch_version();

create trigger audit after insert or update or delete on public.message_templates for each row execute function private.audit_row();

-- RPCs

create function public.message_preview(
  p_template text,
  p_lead_id text default null,
  p_variables jsonb default '{}',
  p_channel text default null,
  p_locale text default 'en'
) returns jsonb
language plpgsql stable security invoker set search_path = '' as $$
begin
  if jsonb_typeof(coalesce(p_variables, '{}')) <> 'object' then
    perform private.fail('argument_invalid', 'p_variables is an object');
  end if;

  return private.render_template(
    private.find_template(p_template, p_channel, p_locale),
    private.lead_variables(case when p_lead_id is not null then private.find_lead(p_lead_id) end) || coalesce(p_variables, '{}')
  );
end
$$;

comment on function public.message_preview(text, text, jsonb, text, text) is 'How a template (id or name) would read for a lead (id or number), with p_variables beside or instead of the lead''s own: {template_id, name, channel, locale, format, subject, content, missing}. missing names the variables nobody gave, which stay as they are written. Errors: template_not_found, lead_not_found, argument_invalid.';

-- Grants

revoke all on public.message_templates from anon, authenticated, service_role;

grant select, delete,
  insert (id, name, channel, locale, format, subject, content, provider_template, is_active),
  update (name, channel, locale, format, subject, content, provider_template, is_active)
  on public.message_templates to authenticated;

grant select, insert, update, delete on public.message_templates to service_role;

revoke all on function
  private.variables_in(text),
  private.escape_html(text),
  private.fill_template(text, jsonb, text),
  private.lead_variables(uuid),
  private.find_template(text, text, text),
  private.render_template(public.message_templates, jsonb),
  private.prepare_template(),
  public.message_preview(text, text, jsonb, text, text)
  from public, anon, authenticated, service_role;

grant execute on function
  private.escape_html(text),
  private.fill_template(text, jsonb, text),
  private.lead_variables(uuid),
  private.find_template(text, text, text),
  private.render_template(public.message_templates, jsonb),
  public.message_preview(text, text, jsonb, text, text)
  to authenticated;

-- This module's permission, errors and first templates

insert into public.permissions (key, description) values
  ('templates.manage', 'Write and change message templates');

insert into public.role_permissions (role_id, permission)
select r.id, 'templates.manage' from public.roles r where r.key = 'manager';

insert into public.error_codes (code, sqlstate, message, hint) values
  ('template_not_found', 'PT404', 'There is no such template that is in use on this channel.', 'Read the names from message_templates.');

insert into public.message_templates (name, channel, subject, content) values
  ('welcome', 'email', 'Welcome to {{organization}}', E'Dear {{name}},\n\nThank you for your interest in {{organization}}. We will be in touch with you shortly.\n\nYour enquiry has the number {{lead_number}}.'),
  ('welcome', 'sms', null, 'Dear {{first_name}}, thank you for your interest in {{organization}}. We will call you shortly.'),
  ('welcome', 'whatsapp', null, 'Dear {{first_name}}, thank you for your interest in {{organization}}. We will be in touch with you shortly.'),
  ('follow-up-v2', 'email', 'Your enquiry at {{organization}}', E'Dear {{name}},\n\nYou asked us about our programmes a while ago. Is there anything you would like to know?\n\n{{organization}}');
