/** Mounts the admin: navigation for App Bridge, then the page of the address. */

import { render } from "preact";
import "./style.css";
import { Access } from "./pages/Access";
import { Audit } from "./pages/Audit";
import { Data } from "./pages/Data";
import { DataAudit } from "./pages/DataAudit";
import { Features } from "./pages/Features";
import { Demand } from "./pages/Demand";
import { DemandOf } from "./pages/DemandOf";
import { Metafields } from "./pages/Metafields";
import { Overview } from "./pages/Overview";
import { Privacy } from "./pages/Privacy";
import { Team } from "./pages/Team";
import { Validation } from "./pages/Validation";
import { Version } from "./pages/Version";
import { Versions } from "./pages/Versions";
import { useRoute, type Route } from "./router";

// App Bridge reads `rel`; the types of the link element do not know it.
const HOME = { rel: "home" };

function App() {
  const route = useRoute();
  return (
    <>
      <s-app-nav>
        <s-link href="/" {...HOME}>
          Overview
        </s-link>
        <s-link href="/versions">Versions</s-link>
        <s-link href="/demand">Demand</s-link>
        <s-link href="/data">Data</s-link>
        <s-link href="/privacy">Privacy</s-link>
        <s-link href="/audit">Change log</s-link>
        <s-link href="/team">Team</s-link>
      </s-app-nav>
      <Page route={route} />
    </>
  );
}

function Page({ route }: { route: Route }) {
  switch (route.page) {
    case "overview":
      return <Overview />;
    case "versions":
      return <Versions />;
    case "version":
      // The key starts a fresh page when one version leads to another.
      return <Version key={route.id} id={route.id} />;
    case "demand":
      return <Demand />;
    case "demand_of":
      return <DemandOf key={route.id} id={route.id} />;
    case "data":
      return <Data />;
    case "privacy":
      return <Privacy />;
    case "fields":
      return <DataAudit />;
    case "metafields":
      return <Metafields />;
    case "features":
      return <Features />;
    case "quality":
      return <Validation />;
    case "audit":
      return <Audit />;
    case "access":
      return <Access />;
    case "team":
      return <Team />;
    case "missing":
      return (
        <s-page heading="Not found">
          <s-section heading="There is no page here">
            <s-paragraph>The address {route.path} leads nowhere in this app.</s-paragraph>
            <s-link href="/">Go to the overview</s-link>
          </s-section>
        </s-page>
      );
  }
}

const place = document.getElementById("app");
if (place) render(<App />, place);
