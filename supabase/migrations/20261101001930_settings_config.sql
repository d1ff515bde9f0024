-- Settings page: what an administrator copies into other systems, in one answer.

create function private.webhook_urls() returns jsonb
language plpgsql stable security definer set search_path = '' as $$
declare
  base constant text := (select rtrim(v.decrypted_secret, '/') from vault.decrypted_secrets v where v.name = 'functions_url');
begin
  if not private.has_permission('settings.read') then
    perform private.require_permission('integrations.read');
  end if;

  return (
    select jsonb_agg(
      jsonb_build_object(
        'type', i.type,
        'name', i.name,
        'status', i.status,
        'path', '/functions/v1/webhooks/' || r.route,
        'url', coalesce(base, '/functions/v1') || '/webhooks/' || r.route,
        'verify_token', case i.type when 'facebook' then private.mask_secret(nullif(private.integration_credentials(i.type) ->> 'verify_token', '')) end
      )
      order by i.name, r.route
    )
    from (values
      ('facebook', 'meta'), ('whatsapp', 'whatsapp'), ('sendgrid', 'sendgrid'), ('twilio', 'twilio'), ('razorpay', 'razorpay'), ('stripe', 'stripe')
    ) r (type, route)
    join public.integrations i on i.type = r.type
  );
end
$$;

comment on function private.webhook_urls() is 'Where providers are to deliver, for the settings page.';

create function public.settings_config() returns jsonb
language sql stable security invoker set search_path = '' as $$
  select jsonb_build_object(
    'webhook_urls', private.webhook_urls(),
    'capture_path', '/functions/v1/capture/leads',
    'api_keys', (
      select coalesce(jsonb_agg(
        jsonb_build_object(
          'id', k.id, 'name', k.name, 'masked_key', k.masked_key, 'key_prefix', k.key_prefix, 'last4', k.last4, 'scopes', k.scopes,
          'last_used_at', k.last_used_at, 'expires_at', k.expires_at
        )
        order by k.created_at desc, k.id
      ), '[]')
      from (
        select x.id, x.name, x.masked_key, x.key_prefix, x.last4, x.scopes, x.last_used_at, x.expires_at, x.created_at
        from public.api_keys x
        where x.revoked_at is null
        order by x.created_at desc, x.id
        limit 100
      ) k
    )
  );
$$;

comment on function public.settings_config() is 'For the settings page: {webhook_urls: [{type, name, status, path, url, verify_token}], capture_path, api_keys: [{id, name, masked_key, …}]}. url is what a provider is given; a token is a mask, null if it lies in the environment of the functions. Keys are masked, the newest 100 that live, for who may manage them. Needs settings.read or integrations.read. Answers D1-016, D1-030.';

-- Grants

revoke all on function private.webhook_urls(), public.settings_config() from public, anon, authenticated, service_role;

grant execute on function private.webhook_urls(), public.settings_config() to authenticated;
