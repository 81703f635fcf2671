/** Who may look, who may operate, who owns. */

import { useState } from "preact/hooks";
import { getOverview, getStaff, Problem, setRole, type Role, type Staff } from "../api";
import { dayOf } from "../format";
import { Loading, Trouble } from "../states";
import { useAnswer } from "../use_answer";

const ROLES: { role: Role; name: string; may: string }[] = [
  { role: "viewer", name: "Viewer", may: "sees every page, changes nothing" },
  { role: "operator", name: "Operator", may: "also rolls back, puts versions live, trains and restarts imports" },
  { role: "owner", name: "Owner", may: "also sets roles" },
];

export function Team() {
  const overview = useAnswer(getOverview);
  const answer = useAnswer(getStaff);
  const [changed, setChanged] = useState<Staff | null>(null);
  const [fault, setFault] = useState<{ user: number; text: string } | null>(null);
  const [turn, setTurn] = useState(0);
  const staff = changed ?? answer.data;
  const refused = answer.problem?.detail.code === "not_allowed";
  const again = () => {
    overview.ask();
    answer.ask();
  };

  const change = async (user: number, role: Role) => {
    setFault(null);
    try {
      setChanged(await setRole(user, role));
      shopify.toast.show("Role changed");
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      setFault({ user, text: `${error.detail.message} ${error.detail.next_step}` });
      // Draw the selects anew, so that they show what is stored, not what was wished.
      setTurn((before) => before + 1);
    }
  };

  return (
    <s-page heading="Team">
      <s-section heading="What each role may do">
        <s-unordered-list>
          {ROLES.map((each) => (
            <s-list-item key={each.role}>
              <s-text type="strong">{each.name}</s-text> {each.may}.
            </s-list-item>
          ))}
        </s-unordered-list>
      </s-section>
      {refused ? (
        <s-banner tone="info" heading="Only an owner sees and sets roles">
          <s-paragraph>
            {overview.data === null
              ? ""
              : `You are staff member ${overview.data.you.user_id}, and your role is ${overview.data.you.role}. `}
            Ask an owner of this shop to change it.
          </s-paragraph>
        </s-banner>
      ) : answer.problem === null ? null : (
        <Trouble problem={answer.problem} retry={again} stale={staff !== null} />
      )}
      {staff === null ? (
        answer.problem === null ? (
          <Loading what="your team" />
        ) : null
      ) : (
        <s-section heading="Staff who have opened this app">
          <s-stack gap="base">
            <s-paragraph color="subdued">
              We keep staff numbers only, no names. Each member finds their own number on this page.
            </s-paragraph>
            {staff.members.map((member) => {
              const you = member.user_id === overview.data?.you.user_id;
              const name = you ? `You (${member.user_id})` : `Staff member ${member.user_id}`;
              return (
                <s-grid key={`${member.user_id}-${turn}`} gridTemplateColumns="minmax(0, 1fr) minmax(140px, 200px)" gap="base" alignItems="center">
                  <s-stack gap="small-400">
                    <s-text type="strong">{name}</s-text>
                    <s-text color="subdued">First seen {dayOf(member.first_seen_at, overview.data?.shop.timezone ?? "UTC")}</s-text>
                  </s-stack>
                  <s-select
                    label={`Role of ${name}`}
                    labelAccessibilityVisibility="exclusive"
                    value={member.role}
                    {...(fault?.user === member.user_id ? { error: fault.text } : {})}
                    onChange={(event) =>
                      void change(member.user_id, (event.currentTarget as HTMLElement & { value: string }).value as Role)
                    }
                  >
                    {ROLES.map((each) => (
                      <s-option key={each.role} value={each.role}>
                        {each.name}
                      </s-option>
                    ))}
                  </s-select>
                </s-grid>
              );
            })}
          </s-stack>
        </s-section>
      )}
    </s-page>
  );
}
