/** The only file that fetches. App Bridge adds the session token and repeats once when it has gone stale. */

import type { components } from "./schema";

type Shapes = components["schemas"];
export type Overview = Shapes["OverviewShape"];
export type Slot = Shapes["SlotShape"];
export type SlotKey = Slot["slot"];
export type Version = Shapes["VersionShape"];
export type VersionDetail = Shapes["VersionDetailShape"];
export type VersionPage = Shapes["VersionPageShape"];
export type Measure = Shapes["MeasureShape"];
export type Traffic = Shapes["TrafficShape"];
export type AuditPage = Shapes["AuditPageShape"];
export type AccessPage = Shapes["AccessPageShape"];
export type AccessEntry = AccessPage["entries"][number];
export type AuditEntry = Shapes["AuditEntryShape"];
export type Staff = Shapes["StaffShape"];
export type Marker = Shapes["MarkerShape"];
export type Markers = Shapes["MarkersShape"];
export type Training = Shapes["TrainingShape"];
export type HistoryImport = Shapes["ImportShape"];
export type You = Shapes["YouShape"];
export type Role = You["role"];
export type Reconciliation = Shapes["ReconciliationShape"];
export type Swept = Shapes["SweptShape"];
export type DeadLetters = Shapes["DeadLetterPageShape"];
export type Delivery = Shapes["DeliveryShape"];
export type Flow = Shapes["FlowShape"];
export type Incidents = Shapes["IncidentPageShape"];
export type Incident = Shapes["IncidentShape"];
export type Privacy = Shapes["PrivacyShape"];
export type Fields = Shapes["FieldsShape"];
export type FieldTaken = Shapes["FieldShape"];
export type Metafields = Shapes["MetafieldsShape"];
export type Metafield = Shapes["MetafieldShape"];
export type MetafieldWish = Shapes["WishShapeRequest"];
export type Features = Shapes["FeaturesShape"];
export type FeatureView = Shapes["FeatureViewShape"];
export type Feature = Shapes["FeatureShape"];
export type FeatureDays = Shapes["FeatureDaysShape"];
export type Quality = Shapes["QualityShape"];
export type Suite = Shapes["SuiteShape"];
export type Expectation = Shapes["ExpectationShape"];
export type SuiteChange = Shapes["SuiteChangeShape"];
export type Quarantine = Shapes["QuarantineShape"];
export type Held = Shapes["HeldRowShape"];
export type ReplayedRows = Shapes["ReplayedShape"];
export type Storefront = Shapes["StorefrontShape"];
export type Demand = Shapes["DemandShape"];
export type DemandRow = Shapes["DemandRowShape"];
export type DemandSeries = Shapes["DemandSeriesShape"];
export type Promotion = Shapes["PromotionShape"];
export type Promotions = Shapes["PromotionsShape"];
export type BuyingTerms = Shapes["AllTermsShape"];
export type BrowserLink = Shapes["BrowserLinkShape"];
export type ProblemDetail = Shapes["ProblemDetail"];

/** A refusal in the API's one error shape, or our own words when no answer came. */
export class Problem extends Error {
  constructor(
    readonly detail: ProblemDetail,
    readonly status: number,
  ) {
    super(detail.message);
    this.name = "Problem";
  }
}

const ANSWER_WITHIN_MS = 20_000;

export const getOverview = (signal: AbortSignal) => read<Overview>("overview", signal);
export const getTraffic = (days: number, signal: AbortSignal) => read<Traffic>(`traffic?days=${days}`, signal);
export const getVersions = (before: number | null, signal: AbortSignal) =>
  read<VersionPage>(before === null ? "versions" : `versions?before=${before}`, signal);
export const getVersion = (id: string, signal: AbortSignal) =>
  read<VersionDetail>(`versions/${encodeURIComponent(id)}`, signal);
export const getMarkers = (days: number, signal: AbortSignal) => read<Markers>(`markers?days=${days}`, signal);
export const getAudit = (before: number | null, signal: AbortSignal) =>
  read<AuditPage>(before === null ? "audit" : `audit?before=${before}`, signal);
export const getStorefront = (days: number, signal: AbortSignal) => read<Storefront>(`storefront?days=${days}`, signal);
export const makeBrowserLink = () => write<BrowserLink>("POST", "storefront/browser-link", {});
export const setTestVisitor = (visitor: string, test: boolean) => write<Storefront>("PUT", "storefront/test-visitors", { visitor, test });
export const getStaff = (signal: AbortSignal) => read<Staff>("staff", signal);
export const getReconciliation = (signal: AbortSignal) => read<Reconciliation>("reconcile", signal);
export const getFlow = (signal: AbortSignal) => read<Flow>("flow", signal);
export const getIncidents = (before: number | null, signal: AbortSignal) =>
  read<Incidents>(before === null ? "incidents?limit=10" : `incidents?limit=10&before=${before}`, signal);
export const getDeadLetters = (before: number | null, signal: AbortSignal) =>
  read<DeadLetters>(before === null ? "webhooks/dead?limit=10" : `webhooks/dead?limit=10&before=${before}`, signal);

export const getDemand = (query: string, signal: AbortSignal) => read<Demand>(`demand?${query}`, signal);
export const getDemandTotal = (signal: AbortSignal) => read<DemandSeries>("demand/total", signal);
export const getDemandSeries = (id: string, signal: AbortSignal) =>
  read<DemandSeries>(`demand/variants/${encodeURIComponent(id)}`, signal);
export const getPromotions = (signal: AbortSignal) => read<Promotions>("demand/promotions", signal);
export const getBuyingTerms = (signal: AbortSignal) => read<BuyingTerms>("demand/terms", signal);
export const askForForecast = (reason: string) => write<Training>("POST", "demand/forecast", { reason });
export const changeBuyingTerms = (order: Shapes["TermsOrderRequest"]) => write<BuyingTerms>("PUT", "demand/terms", order);
export const planPromotion = (order: Shapes["PromotionOrderRequest"]) => write<Promotion>("POST", "demand/promotions", order);
export const cancelPromotion = (id: string) => write<Promotions>("DELETE", `demand/promotions/${encodeURIComponent(id)}`, {});
export const downloadDemand = (query: string) => download(`demand/export?${query}`, "demand.csv");
export const downloadPurchaseOrder = () => download("demand/purchase-order", "purchase-order.csv");

export const getPrivacy = (signal: AbortSignal) => read<Privacy>("privacy", signal);
export const getCertificate = (id: string) =>
  read<object>(`privacy/redactions/${encodeURIComponent(id)}/certificate`, AbortSignal.timeout(ANSWER_WITHIN_MS));
export const takeExport = (request_id: string) =>
  write<object>("POST", `privacy/requests/${encodeURIComponent(request_id)}/export`, {});

export const rollBack = (slot: SlotKey, expected_version: string, reason: string) =>
  write<Slot>("POST", `slots/${slot}/rollback`, { expected_version, reason });
export const deploy = (slot: SlotKey, version: string, reason: string) =>
  write<Slot>("POST", `slots/${slot}/deploy`, { version, reason });
export const addNote = (text: string) => write<Marker>("POST", "markers", { text });
export const withdrawNote = (id: number) => write<Markers>("DELETE", `markers/${id}`, {});
export const train = (reason: string) => write<Training>("POST", "training", { reason });
export const restartImport = (reason: string) => write<HistoryImport>("POST", "import/restart", { reason });
export const compareNow = (reason: string) => write<Reconciliation>("POST", "reconcile", { reason });
export const replayDelivery = (id: string, reason: string) =>
  write<Delivery>("POST", `webhooks/${encodeURIComponent(id)}/replay`, { reason });
export const setRole = (user_id: number, role: Role) => write<Staff>("PUT", `staff/${user_id}`, { role });

export const getFields = (signal: AbortSignal) => read<Fields>("fields", signal);
export const getFeatures = (signal: AbortSignal) => read<Features>("features", signal);
export const getFeatureDays = (view: string, feature: string, days: number, signal: AbortSignal) =>
  read<FeatureDays>(`features/${encodeURIComponent(view)}/days?feature=${encodeURIComponent(feature)}&days=${days}`, signal);
export const getMetafields = (signal: AbortSignal) => read<Metafields>("metafields", signal);
export const chooseMetafields = (changes: MetafieldWish[]) => write<Metafields>("PUT", "metafields", { changes });

export const getAccessLog = (before: number | null, signal: AbortSignal) =>
  read<AccessPage>(before === null ? "access-log" : `access-log?before=${before}`, signal);

export const downloadFields = () => download("fields/export", "fields.csv");
export const downloadFeatures = () => download("features/export", "features.csv");
export const downloadAccessLog = () => download("access-log/export", "access-log.csv");

/** Fetched, since a plain link would carry no session token; then handed to the browser as a file. */
async function download(path: string, name: string): Promise<void> {
  let response: Response;
  try {
    response = await fetch(`/api/${path}`, { signal: AbortSignal.timeout(ANSWER_WITHIN_MS) });
  } catch {
    throw new Problem(unspoken("no_answer", "We could not reach Shelfwise.", "Look at your connection, then try again."), 0);
  }
  if (!response.ok) {
    const body: unknown = await response.json().catch(() => null);
    const detail = detailOf(body) ?? unspoken("no_answer", "The file could not be made.", "Try again.");
    throw new Problem(detail, response.status);
  }
  const link = document.createElement("a");
  link.href = URL.createObjectURL(await response.blob());
  link.download = name;
  link.click();
  URL.revokeObjectURL(link.href);
}

export const getQuality = (days: number, signal: AbortSignal) => read<Quality>(`validation?days=${days}`, signal);
export const getSuite = (resource: string, number: number | null, compare: number | null, signal: AbortSignal) => {
  const asked = [number === null ? "" : `number=${number}`, compare === null ? "" : `compare_with=${compare}`].filter(Boolean);
  return read<Suite>(`validation/suites/${resource}${asked.length === 0 ? "" : `?${asked.join("&")}`}`, signal);
};
export const getQuarantine = (resource: string, state: string, before: number | null, signal: AbortSignal) =>
  read<Quarantine>(
    `validation/quarantine?limit=10&state=${state}${resource ? `&resource=${resource}` : ""}${before === null ? "" : `&before=${before}`}`,
    signal,
  );
export const changeSuite = (resource: string, change: Shapes["SuiteChangeRequest"]) =>
  write<Suite>("POST", `validation/suites/${resource}`, change);
export const replayRows = (chosen: Shapes["ChosenRequest"]) => write<ReplayedRows>("POST", "validation/quarantine/replay", chosen);
export const dismissRows = (chosen: Shapes["ChosenRequest"]) =>
  write<Shapes["DismissedShape"]>("POST", "validation/quarantine/dismiss", chosen);
export const releaseHalt = (resource: string, accepted: boolean, reason: string) =>
  write<ReplayedRows>("POST", `validation/halts/${resource}/release`, { accepted, reason });

function read<T>(path: string, signal: AbortSignal): Promise<T> {
  return call<T>(path, { signal }, "We could not reach Shelfwise.", "Look at your connection, then try again.");
}

function write<T>(method: "POST" | "PUT" | "DELETE", path: string, body: object): Promise<T> {
  const init = { method, body: JSON.stringify(body), headers: { "Content-Type": "application/json" } };
  return call<T>(
    path,
    init,
    "No answer came back, so we do not know whether the change was made.",
    "Look at the change log before you try again.",
  );
}

async function call<T>(path: string, init: RequestInit, lost: string, next: string): Promise<T> {
  const limit = AbortSignal.timeout(ANSWER_WITHIN_MS);
  const signal = init.signal ? AbortSignal.any([init.signal, limit]) : limit;
  let response: Response;
  try {
    response = await fetch(`/api/${path}`, { ...init, signal });
  } catch (error) {
    if (init.signal?.aborted) throw error;
    throw new Problem(unspoken("no_answer", lost, next), 0);
  }
  const body: unknown = await response.json().catch(() => null);
  if (response.ok && body !== null) return body as T;
  throw new Problem(detailOf(body) ?? unspoken("no_answer", lost, next), response.status);
}

function detailOf(body: unknown): ProblemDetail | null {
  if (typeof body !== "object" || body === null || !("error" in body)) return null;
  const detail = (body as { error: unknown }).error;
  return typeof detail === "object" && detail !== null && "message" in detail ? (detail as ProblemDetail) : null;
}

function unspoken(code: string, message: string, next_step: string): ProblemDetail {
  return { code, message, next_step, field: null, request_id: "" };
}
