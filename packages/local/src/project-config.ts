import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { parse } from "smol-toml";

/** The part of supabase/config.toml that the local API honours. */
export interface ProjectConfig {
  schemas: string[];
  maxRows: number;
  fileSizeLimit: string;
  siteUrl: string;
  redirectUrls: string[];
  jwtExpiry: number;
  enableSignup: boolean;
  enableConfirmations: boolean;
  minimumPasswordLength: number;
  passwordRequirements: string;
  refreshTokenReuseInterval: number;
  otpLength: number;
  otpExpiry: number;
}

/** The emulators parse config.toml more strictly than the CLI does: they are configured in code. */
export async function readProjectConfig(root: string): Promise<ProjectConfig> {
  const text = await readFile(join(root, "supabase", "config.toml"), "utf8").catch(() => "");
  const config = parse(text) as Record<string, Section>;
  const api = config.api ?? {};
  const auth = config.auth ?? {};
  const email = (auth.email ?? {}) as Section;
  return {
    schemas: strings(api.schemas, ["public"]),
    maxRows: number(api.max_rows, 1000),
    fileSizeLimit: string(config.storage?.file_size_limit, "50MiB"),
    siteUrl: string(auth.site_url, "http://127.0.0.1:3000"),
    redirectUrls: strings(auth.additional_redirect_urls, []),
    jwtExpiry: number(auth.jwt_expiry, 3600),
    enableSignup: auth.enable_signup !== false,
    enableConfirmations: email.enable_confirmations === true,
    minimumPasswordLength: number(auth.minimum_password_length, 6),
    passwordRequirements: string(auth.password_requirements, ""),
    refreshTokenReuseInterval: number(auth.refresh_token_reuse_interval, 10),
    otpLength: number(email.otp_length, 6),
    otpExpiry: number(email.otp_expiry, 3600),
  };
}

type Section = Record<string, unknown>;

function number(value: unknown, fallback: number): number {
  return typeof value === "number" ? value : fallback;
}

function string(value: unknown, fallback: string): string {
  return typeof value === "string" ? value : fallback;
}

function strings(value: unknown, fallback: string[]): string[] {
  return Array.isArray(value) ? value.filter((item) => typeof item === "string") : fallback;
}
