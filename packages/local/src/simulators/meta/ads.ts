// An ad account of the simulated Meta: its campaigns, and what each did on each day.

import { ControlError } from "../http.ts";

export interface AdCampaign {
  id: string;
  name: string;
  objective: string;
  effective_status: string;
}

export interface AdDay {
  /** Only here, to page by. */
  id: string;
  campaign_id: string;
  date: string;
  spend: number;
  impressions: number;
  clicks: number;
  leads: number;
  purchase_value: number;
}

const text = (value: unknown, fallback: string) => (typeof value === "string" ? value : fallback);

const count = (value: unknown) => (typeof value === "number" && value >= 0 ? value : 0);

export function createAds(newId: () => string) {
  const accountId = `act_${newId()}`;
  const campaigns = new Map<string, AdCampaign>();
  const days = new Map<string, AdDay>();

  function createCampaign(input: Record<string, unknown> = {}): AdCampaign {
    const campaign = {
      id: text(input.id, newId()),
      name: text(input.name, "Autumn intake"),
      objective: text(input.objective, "OUTCOME_LEADS"),
      effective_status: text(input.effective_status, "ACTIVE"),
    };
    campaigns.set(campaign.id, campaign);
    return campaign;
  }

  /** What a campaign did on a day; said again, it replaces what was said before. */
  function setDay(input: Record<string, unknown>): AdDay {
    const campaignId = text(input.campaign_id, "");
    if (!campaigns.has(campaignId))
      throw new ControlError(`there is no campaign ${campaignId}`, 404);
    const date = text(input.date, new Date().toISOString().slice(0, 10));
    const id = `${date}:${campaignId}`;
    const day = {
      id,
      campaign_id: campaignId,
      date,
      spend: count(input.spend),
      impressions: count(input.impressions),
      clicks: count(input.clicks),
      leads: count(input.leads),
      purchase_value: count(input.purchase_value),
    };
    days.set(id, day);
    return day;
  }

  return { accountId, campaigns, days, createCampaign, setDay };
}

export type Ads = ReturnType<typeof createAds>;

/** Days of a range, both ends included: `time_range={"since":"2026-11-01","until":"2026-11-21"}`. */
export function daysIn(ads: Ads, range: { since: string; until: string }): AdDay[] {
  return [...ads.days.values()]
    .filter((day) => day.date >= range.since && day.date <= range.until)
    .sort((a, b) => (a.id < b.id ? -1 : 1));
}

const action = (type: string, value: number) => ({ action_type: type, value: String(value) });

/** A row of insights as Graph words it: figures are texts, and what did not happen is left out. */
export const insightFields: Record<string, (day: AdDay, campaign: AdCampaign) => unknown> = {
  account_currency: () => "INR",
  campaign_id: (day) => day.campaign_id,
  campaign_name: (_day, campaign) => campaign.name,
  objective: (_day, campaign) => campaign.objective,
  spend: (day) => day.spend.toFixed(2),
  impressions: (day) => String(day.impressions),
  clicks: (day) => String(day.clicks),
  // One lead is several actions: the total, and each of the ways in which it is counted.
  actions: (day) =>
    day.leads > 0
      ? [
          action("link_click", day.clicks),
          action("lead", day.leads),
          action("onsite_conversion.lead_grouped", day.leads),
        ]
      : undefined,
  action_values: (day) =>
    day.purchase_value > 0
      ? [action("purchase", day.purchase_value), action("omni_purchase", day.purchase_value)]
      : undefined,
};
