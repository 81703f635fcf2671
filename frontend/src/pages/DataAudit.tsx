/** Every field that the app takes in from the shop: where from, how full, who uses it, whom it is about, how long it is kept. */

import { useState } from "preact/hooks";
import { downloadFields, getFields, getOverview, Problem, type FieldTaken, type Fields } from "../api";
import { count, moment, plural, shareOf } from "../format";
import { Loading, Trouble } from "../states";
import { useAnswer } from "../use_answer";

const GROUPS: [FieldTaken["resource"], string][] = [
  ["order", "Orders, their lines and refunds"],
  ["product", "Products and variants"],
  ["metafield", "Metafields"],
  ["stock", "Stock"],
  ["collection", "Collections"],
  ["customer", "Customers"],
  ["visit", "Visits to the storefront"],
  ["shop", "The shop itself"],
];
const VIEWS: Record<string, { name: string; has: (field: FieldTaken) => boolean }> = {
  all: { name: "All fields", has: () => true },
  used: { name: "Used by something", has: (field) => field.used_by.length > 0 },
  unused: { name: "Used by nothing", has: (field) => field.used_by.length === 0 },
  people: { name: "Standing for a person", has: (field) => field.about !== "nobody" },
};
const ABOUT: Record<FieldTaken["about"], string> = {
  nobody: "Nobody",
  pseudonym: "A person, as a number",
  personal: "A person",
};

export function DataAudit() {
  const overview = useAnswer(getOverview);
  const answer = useAnswer(getFields);
  const [view, setView] = useState("all");
  const [find, setFind] = useState("");
  const [fault, setFault] = useState<Problem | null>(null);
  const data = overview.data === null ? null : answer.data;
  const problem = answer.problem ?? overview.problem;
  const again = () => {
    overview.ask();
    answer.ask();
  };

  const save = async () => {
    setFault(null);
    try {
      await downloadFields();
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      setFault(error);
    }
  };

  return (
    <s-page heading="Fields taken in">
      <s-button slot="primary-action" onClick={() => void save()} {...(data === null ? { disabled: true } : {})}>
        Download as CSV
      </s-button>
      <s-link slot="breadcrumb-actions" href="/data">
        Data
      </s-link>
      {fault === null ? null : <Trouble problem={fault} retry={() => void save()} />}
      {problem === null ? null : <Trouble problem={problem} retry={again} stale={data !== null} />}
      {data === null ? (
        problem === null ? (
          <Loading what="the fields" />
        ) : null
      ) : (
        <>
          <Summary data={data} zone={overview.data?.shop.timezone ?? "UTC"} />
          <s-section accessibilityLabel="Which fields to show">
            <s-grid gridTemplateColumns="repeat(auto-fit, minmax(180px, 1fr))" gap="base">
              <s-text-field label="Find a field" value={find} onInput={(event) => setFind(valueOf(event))} />
              <s-select label="Show" value={view} onChange={(event) => setView(valueOf(event))}>
                {Object.entries(VIEWS).map(([key, each]) => (
                  <s-option key={key} value={key}>
                    {each.name}
                  </s-option>
                ))}
              </s-select>
            </s-grid>
          </s-section>
          <Groups fields={data.fields_taken.filter((field) => shown(field, view, find))} />
        </>
      )}
    </s-page>
  );
}

function Summary({ data, zone }: { data: Fields; zone: string }) {
  const people = data.fields_taken.filter((field) => field.about !== "nobody").length;
  return (
    <s-section heading="In short">
      <s-stack gap="base">
        <s-paragraph>
          The app takes in {plural(data.fields_taken.length, "field")}. It asks Shopify for no name, e-mail, phone or address of any
          person. {count(people)} of the fields stand for a person as a number: they tell one buyer's orders from another's, and are
          erased when Shopify asks for it.
        </s-paragraph>
        {data.measured_at === null ? (
          <s-banner tone="info" heading="Not measured yet">
            <s-paragraph>How full each field is will be here some minutes after the first import.</s-paragraph>
          </s-banner>
        ) : (
          <s-paragraph color="subdued">
            Measured {moment(data.measured_at, zone)}, once a day and after each import, on the newest 50,000 rows of each kind.
          </s-paragraph>
        )}
        <s-link href="/data/metafields">Choose which metafields models may learn from</s-link>
      </s-stack>
    </s-section>
  );
}

function Groups({ fields }: { fields: FieldTaken[] }) {
  if (fields.length === 0) {
    return (
      <s-section heading="No field fits">
        <s-paragraph>Change what you look for, or show all fields.</s-paragraph>
      </s-section>
    );
  }
  return (
    <>
      {GROUPS.map(([resource, name]) => {
        const held = fields.filter((field) => field.resource === resource);
        return held.length === 0 ? null : <Group key={resource} name={name} fields={held} />;
      })}
    </>
  );
}

function Group({ name, fields }: { name: string; fields: FieldTaken[] }) {
  const kept = fields.find((field) => field.stored)?.kept ?? "";
  return (
    <s-section padding="none" heading={name}>
      <s-box padding="base">
        <s-text color="subdued">{kept === "" ? "Read and not kept." : `Kept ${kept}.`}</s-text>
      </s-box>
      <s-table>
        <s-table-header-row>
          <s-table-header listSlot="primary">Field</s-table-header>
          <s-table-header listSlot="labeled">Filled</s-table-header>
          <s-table-header listSlot="labeled">Values</s-table-header>
          <s-table-header listSlot="labeled">Used by</s-table-header>
          <s-table-header listSlot="labeled">About</s-table-header>
        </s-table-header-row>
        <s-table-body>
          {fields.map((field) => (
            <s-table-row key={field.name}>
              <s-table-cell>
                <s-stack gap="small-400">
                  <s-text type="strong">{field.name}</s-text>
                  <s-text color="subdued">
                    <span class="light">
                      {field.meaning} ({field.type})
                    </span>
                  </s-text>
                  <s-text color="subdued">
                    <span class="light source">{field.sources.length === 0 ? "told by what it belongs to" : field.sources.join(" · ")}</span>
                  </s-text>
                </s-stack>
              </s-table-cell>
              <s-table-cell>{filled(field)}</s-table-cell>
              <s-table-cell>
                <s-stack gap="small-400">
                  <s-text>{values(field)}</s-text>
                  {field.example === "" ? null : <s-text color="subdued">{field.example}</s-text>}
                </s-stack>
              </s-table-cell>
              <s-table-cell>{field.used_by.length === 0 ? "Nothing" : field.used_by.join("; ")}</s-table-cell>
              <s-table-cell>
                {field.about === "nobody" ? ABOUT.nobody : <s-badge tone="info">{ABOUT[field.about]}</s-badge>}
              </s-table-cell>
            </s-table-row>
          ))}
        </s-table-body>
      </s-table>
    </s-section>
  );
}

function shown(field: FieldTaken, view: string, find: string): boolean {
  const text = `${field.resource} ${field.name} ${field.meaning} ${field.sources.join(" ")}`.toLowerCase();
  return (VIEWS[view]?.has(field) ?? true) && text.includes(find.trim().toLowerCase());
}

function filled(field: FieldTaken): string {
  if (field.rows === null || field.filled === null) return field.stored ? "–" : "Not kept";
  return field.rows === 0 ? "No rows" : `${shareOf(field.filled, field.rows)} of ${count(field.rows)}`;
}

function values(field: FieldTaken): string {
  if (field.distinct === null || field.rows === 0) return "–";
  return `${field.whole ? "" : "at least "}${count(field.distinct)}`;
}

function valueOf(event: Event): string {
  return (event.currentTarget as HTMLElement & { value: string }).value;
}
