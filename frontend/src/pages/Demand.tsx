/** What each product will sell, how long its stock lasts, and what to order. The list is searched, sorted and paged by the server. */

import { useCallback, useEffect, useState } from "preact/hooks";
import { askForForecast, downloadDemand, downloadPurchaseOrder, getDemand, getDemandTotal, getOverview, Problem, type Demand as Found, type DemandRow } from "../api";
import { DayPlot, useMarkers } from "../DayPlot";
import { demandByDay, units } from "../demand_plots";
import { advice, cover, knowledge, measured, quality, servedBy, SHOWN, SORTS } from "../demand_words";
import { count, day, moment, money, plural } from "../format";
import { BuyingTerms } from "../sections/BuyingTerms";
import { PromotionCalendar } from "../sections/PromotionCalendar";
import { Loading, Trouble } from "../states";
import { useAnswer } from "../use_answer";
import { capital, trainingStep } from "../words";

const PAGE = 25;
const SETTLED_MS = 350;
const WATCH_MS = 3_000;
const MARKED_DAYS = 84;

export function Demand() {
  const overview = useAnswer(getOverview);
  const [typed, setTyped] = useState("");
  const [search, setSearch] = useState("");
  const [show, setShow] = useState("all");
  const [sort, setSort] = useState("order");
  const [page, setPage] = useState(1);
  const [fault, setFault] = useState<Problem | null>(null);
  // A word is looked for when it is finished, not with every letter.
  useEffect(() => {
    const timer = setTimeout(() => {
      setSearch(typed.trim());
      setPage(1);
    }, SETTLED_MS);
    return () => clearTimeout(timer);
  }, [typed]);
  const rising = sort === "title" || sort === "cover";
  const asked = new URLSearchParams({ search, show, sort, rising: String(rising) }).toString();
  const answer = useAnswer(
    useCallback((signal: AbortSignal) => getDemand(`${asked}&page=${page}&size=${PAGE}`, signal), [asked, page]),
    (found) => (found.training.state === "running" ? WATCH_MS : null),
  );
  const data = overview.data === null ? null : answer.data;
  const problem = answer.problem ?? overview.problem;
  const may = overview.data?.you.may_operate ?? false;
  const again = () => {
    overview.ask();
    answer.ask();
  };
  const tried = async (work: () => Promise<unknown>) => {
    setFault(null);
    try {
      await work();
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      setFault(error);
    }
  };

  return (
    <s-page heading="Demand">
      <s-button slot="primary-action" onClick={() => void tried(downloadPurchaseOrder)} {...(data?.whole ? {} : { disabled: true })}>
        Download order list
      </s-button>
      <s-button slot="secondary-actions" onClick={() => void tried(() => downloadDemand(asked))} {...(data?.whole ? {} : { disabled: true })}>
        Download forecast
      </s-button>
      {fault === null ? null : <Trouble problem={fault} retry={() => setFault(null)} />}
      {problem === null ? null : <Trouble problem={problem} retry={again} stale={data !== null} />}
      {data === null ? (
        problem === null ? (
          <Loading what="the forecast" />
        ) : null
      ) : (
        <>
          <Whole
            data={data}
            zone={overview.data?.shop.timezone ?? "UTC"}
            may={may}
            forecast={() =>
              void tried(async () => {
                await askForForecast("asked for on the page of demand");
                answer.ask();
              })
            }
          />
          {data.whole === null ? null : (
            <>
              <s-section accessibilityLabel="Which products to show">
                <s-grid gridTemplateColumns="repeat(auto-fit, minmax(180px, 1fr))" gap="base">
                  <s-search-field label="Find a product, SKU or vendor" value={typed} onInput={(event) => setTyped(valueOf(event))} />
                  <s-select
                    label="Show"
                    value={show}
                    onChange={(event) => {
                      setShow(valueOf(event));
                      setPage(1);
                    }}
                  >
                    {SHOWN.map(([key, name]) => (
                      <s-option key={key} value={key}>
                        {name}
                      </s-option>
                    ))}
                  </s-select>
                  <s-select
                    label="Sort by"
                    value={sort}
                    onChange={(event) => {
                      setSort(valueOf(event));
                      setPage(1);
                    }}
                  >
                    {SORTS.map(([key, name]) => (
                      <s-option key={key} value={key}>
                        {name}
                      </s-option>
                    ))}
                  </s-select>
                </s-grid>
              </s-section>
              <Rows data={data} page={page} turn={setPage} />
              {/* Below the list, so that nothing in sight moves when the picture comes. */}
              <Total version={data.whole.version} />
              <PromotionCalendar may={may} lifted={data.whole.lift_days} changed={answer.ask} />
              <BuyingTerms may={may} changed={answer.ask} />
            </>
          )}
        </>
      )}
    </s-page>
  );
}

function Whole({ data, zone, may, forecast }: { data: Found; zone: string; may: boolean; forecast: () => void }) {
  const running = data.training.state === "running";
  const told = data.training.state === "done" && data.training.problem ? capital(data.training.problem) : "";
  return (
    <s-section heading="The next four weeks">
      <s-stack gap="base">
        {running ? (
          <s-stack direction="inline" gap="small-200" alignItems="center">
            <s-spinner accessibilityLabel="A forecast is being made" size="base" />
            <s-text>A forecast is being made{trainingStep(data.training)}</s-text>
          </s-stack>
        ) : null}
        {data.training.state === "failed" ? (
          <s-banner tone="warning" heading="The last forecast was not finished">
            <s-paragraph>{capital(data.training.problem)}. What was live is still live.</s-paragraph>
          </s-banner>
        ) : null}
        {data.whole === null ? (
          running ? null : (
            <s-banner tone="info" heading="There is no forecast yet">
              <s-paragraph>{told === "" ? "It is made after the first import, from your own orders." : `${told}.`}</s-paragraph>
            </s-banner>
          )
        ) : (
          <>
            <dl class="figures">
              <Figure name="Expected units" value={units(data.whole.forecast)} />
              <Figure name="To be ordered" value={plural(data.whole.to_order, "product")} />
              <Figure name="Lost for want of stock, 28 days" value={money(String(data.whole.lost_value), data.currency)} />
              <Figure name="Forecast by last week" value={`${count(data.whole.by_naive)} of ${count(data.whole.variants)}`} />
            </dl>
            <s-paragraph>
              {knowledge(data.whole.knowledge)} {measured(data.whole)}
            </s-paragraph>
            <s-paragraph color="subdued">
              Version {data.whole.version}, made {moment(data.whole.made_at, zone)} from {plural(data.whole.history_days, "day")} of sales. Intervals
              are held against what is sold each day.
            </s-paragraph>
          </>
        )}
        {may ? (
          <s-stack direction="inline">
            <s-button onClick={forecast} {...(running ? { disabled: true } : {})}>
              Forecast anew
            </s-button>
          </s-stack>
        ) : null}
      </s-stack>
    </s-section>
  );
}

function Figure({ name, value }: { name: string; value: string }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{value}</dd>
    </div>
  );
}

/** @param version asks anew when another one is live. */
function Total({ version }: { version: string }) {
  const { known } = useMarkers(MARKED_DAYS);
  const answer = useAnswer(useCallback((signal: AbortSignal) => (void version, getDemandTotal(signal)), [version]));
  return (
    <s-section heading="The whole shop by day">
      {answer.problem === null ? null : <Trouble problem={answer.problem} retry={answer.ask} stale={answer.data !== null} />}
      {answer.data === null || known === null ? (
        answer.problem === null ? (
          <Loading what="the days" />
        ) : null
      ) : (
        <DayPlot spec={demandByDay(answer.data)} markers={known.markers} />
      )}
    </s-section>
  );
}

function Rows({ data, page, turn }: { data: Found; page: number; turn: (to: number) => void }) {
  if (data.rows.length === 0) {
    return (
      <s-section heading="No product fits">
        <s-paragraph>{page > 1 ? "There are no more pages." : "Change what you look for, or show all products."}</s-paragraph>
        {page > 1 ? <s-button onClick={() => turn(1)}>Go to the first page</s-button> : null}
      </s-section>
    );
  }
  const pages = Math.ceil(data.found / PAGE);
  return (
    <s-section padding="none" heading={`${count(data.found)} ${data.found === 1 ? "product" : "products"}`}>
      <s-table
        paginate={pages > 1}
        hasNextPage={page < pages}
        hasPreviousPage={page > 1}
        onNextPage={() => turn(page + 1)}
        onPreviousPage={() => turn(page - 1)}
      >
        <s-table-header-row>
          <s-table-header listSlot="primary">Product</s-table-header>
          <s-table-header listSlot="labeled" format="numeric">
            Next 28 days
          </s-table-header>
          <s-table-header listSlot="labeled">Stock lasts</s-table-header>
          <s-table-header listSlot="labeled">To do</s-table-header>
          <s-table-header listSlot="labeled">How good</s-table-header>
        </s-table-header-row>
        <s-table-body>
          {data.rows.map((row) => (
            <Row key={row.variant_id} row={row} currency={data.currency} />
          ))}
        </s-table-body>
      </s-table>
    </s-section>
  );
}

function Row({ row, currency }: { row: DemandRow; currency: string }) {
  return (
    <s-table-row>
      <s-table-cell>
        <s-stack gap="small-400">
          <s-link href={`/demand/${row.variant_id}`}>{row.title}</s-link>
          <s-text color="subdued">
            <span class="light">{[row.sku, row.vendor, `class ${row.importance}`].filter(Boolean).join(" · ")}</span>
          </s-text>
          {row.life === "usual" ? null : <s-badge>{row.life === "new" ? "New, or not sold yet" : "Not selling any more"}</s-badge>}
        </s-stack>
      </s-table-cell>
      <s-table-cell>
        <s-stack gap="small-400">
          <s-text>{units(row.forecast)}</s-text>
          <s-text color="subdued">
            {units(row.low)} to {units(row.high)}
          </s-text>
        </s-stack>
      </s-table-cell>
      <s-table-cell>
        <s-stack gap="small-400">
          <s-text>{cover(row)}</s-text>
          <s-text color="subdued">
            {row.stock === null ? "" : plural(Math.max(0, row.stock), "unit")}
            {row.runs_out_on === null ? "" : `, until ${day(row.runs_out_on)}`}
          </s-text>
        </s-stack>
      </s-table-cell>
      <s-table-cell>
        <s-stack gap="small-400">
          {row.order > 0 ? <s-badge tone={row.covered < 0.5 ? "critical" : "warning"}>{advice(row)}</s-badge> : <s-text>{advice(row)}</s-text>}
          {row.lost_units >= 1 ? <s-text color="subdued">Lost {money(String(row.lost_value), currency)}</s-text> : null}
        </s-stack>
      </s-table-cell>
      <s-table-cell>
        <s-stack gap="small-400">
          <s-text>{servedBy(row)}</s-text>
          <s-text color="subdued">{quality(row)}</s-text>
        </s-stack>
      </s-table-cell>
    </s-table-row>
  );
}

function valueOf(event: Event): string {
  return (event.currentTarget as HTMLElement & { value: string }).value;
}
