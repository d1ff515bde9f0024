-- Stand-in for pg_net: the same functions, queue and responses; the local stack plays the worker.

create schema net;

create domain net.http_method as text check (value in ('GET', 'POST', 'DELETE'));

create type net.request_status as enum ('PENDING', 'SUCCESS', 'ERROR');

create unlogged table net.http_request_queue (
  id bigserial not null,
  method net.http_method not null,
  url text not null,
  headers jsonb,
  body bytea,
  timeout_milliseconds integer not null
);

create unlogged table net._http_response (
  id bigint,
  status_code integer,
  content_type text,
  headers jsonb,
  content text,
  timed_out boolean,
  error_msg text,
  created timestamptz not null default now()
);

create index on net._http_response (created);

create function net._urlencode(p_text text) returns text
language sql immutable strict set search_path = ''
as $$
  select pg_catalog.string_agg(
    case
      when b between 48 and 57 or b between 65 and 90 or b between 97 and 122 or b in (45, 46, 95, 126)
        then pg_catalog.chr(b)
      else '%' || pg_catalog.upper(pg_catalog.lpad(pg_catalog.to_hex(b), 2, '0'))
    end, '' order by i)
  from (
    select i, pg_catalog.get_byte(pg_catalog.convert_to(p_text, 'UTF8'), i) as b
    from pg_catalog.generate_series(0, pg_catalog.octet_length(pg_catalog.convert_to(p_text, 'UTF8')) - 1) as i
  ) as bytes
$$;

create function net._with_params(p_url text, p_params jsonb) returns text
language sql immutable set search_path = ''
as $$
  select p_url || coalesce(
    case when pg_catalog.strpos(p_url, '?') > 0 then '&' else '?' end
      || pg_catalog.string_agg(net._urlencode(key) || '=' || net._urlencode(value), '&'),
    '')
  from pg_catalog.jsonb_each_text(coalesce(p_params, '{}'))
$$;

create function net._enqueue(
  p_method text, p_url text, p_params jsonb, p_headers jsonb, p_body jsonb, p_timeout integer
) returns bigint
language plpgsql security definer set search_path = ''
as $$
declare
  v_id bigint;
begin
  insert into net.http_request_queue (method, url, headers, body, timeout_milliseconds)
  values (
    p_method, net._with_params(p_url, p_params), coalesce(p_headers, '{}'),
    pg_catalog.convert_to(p_body::text, 'UTF8'), p_timeout
  )
  returning id into v_id;
  notify pg_net_wake;
  return v_id;
end;
$$;

create function net.http_get(
  url text, params jsonb default '{}', headers jsonb default '{}', timeout_milliseconds integer default 5000
) returns bigint
language sql security definer set search_path = ''
as $$
  select net._enqueue('GET', url, params, headers, null, timeout_milliseconds)
$$;

create function net.http_post(
  url text, body jsonb default '{}', params jsonb default '{}',
  headers jsonb default '{"Content-Type": "application/json"}', timeout_milliseconds integer default 5000
) returns bigint
language plpgsql security definer set search_path = ''
as $$
declare
  v_type text := (
    select value from pg_catalog.jsonb_each_text(headers) where pg_catalog.lower(key) = 'content-type' limit 1
  );
begin
  if v_type is not null and v_type not like 'application/json%' then
    raise exception 'Content-Type header must be "application/json"';
  end if;
  return net._enqueue(
    'POST', url, params,
    case when v_type is null then coalesce(headers, '{}') || '{"Content-Type": "application/json"}' else headers end,
    body, timeout_milliseconds
  );
end;
$$;

create function net.http_delete(
  url text, params jsonb default '{}', headers jsonb default '{}', timeout_milliseconds integer default 5000,
  body jsonb default null
) returns bigint
language sql security definer set search_path = ''
as $$
  select net._enqueue('DELETE', url, params, headers, body, timeout_milliseconds)
$$;

create type net.http_response as (status_code integer, headers jsonb, body text);

create type net.http_response_result as (status net.request_status, message text, response net.http_response);

create function net._http_collect_response(request_id bigint, async boolean default true)
returns net.http_response_result
language plpgsql security definer set search_path = ''
as $$
declare
  v_row net._http_response;
begin
  select * into v_row from net._http_response r where r.id = request_id;
  if v_row.id is null then
    return ('ERROR', 'request matching request_id not found', null)::net.http_response_result;
  end if;
  return (
    'SUCCESS', coalesce(v_row.error_msg, 'ok'),
    (v_row.status_code, v_row.headers, v_row.content)::net.http_response
  )::net.http_response_result;
end;
$$;

revoke all on all functions in schema net from public;

grant usage on schema net to postgres, anon, authenticated, service_role;

grant execute on function net.http_get, net.http_post, net.http_delete
  to postgres, anon, authenticated, service_role;

grant execute on function net._http_collect_response to postgres, service_role;

grant select, insert, update, delete on net.http_request_queue, net._http_response to postgres;

grant usage on sequence net.http_request_queue_id_seq to postgres;
