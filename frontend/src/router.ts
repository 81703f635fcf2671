/** Client-side routes on the browser's own history; App Bridge mirrors the address into the admin's. */

import { useEffect, useState } from "preact/hooks";

export type Route =
  | { page: "overview" }
  | { page: "versions" }
  | { page: "version"; id: string }
  | { page: "demand" }
  | { page: "demand_of"; id: string }
  | { page: "data" }
  | { page: "privacy" }
  | { page: "fields" }
  | { page: "metafields" }
  | { page: "features" }
  | { page: "quality" }
  | { page: "audit" }
  | { page: "access" }
  | { page: "team" }
  | { page: "missing"; path: string };

export function routeOf(path: string): Route {
  const parts = path.split("/").filter(Boolean);
  const [first, second] = parts;
  if (parts.length === 0 || (first === "overview" && parts.length === 1)) return { page: "overview" };
  if (first === "versions" && parts.length === 1) return { page: "versions" };
  if (first === "versions" && second !== undefined && parts.length === 2) {
    return { page: "version", id: safely(second) };
  }
  if (first === "demand" && parts.length === 1) return { page: "demand" };
  if (first === "demand" && second !== undefined && parts.length === 2) return { page: "demand_of", id: safely(second) };
  if (first === "data" && parts.length === 1) return { page: "data" };
  if (first === "privacy" && parts.length === 1) return { page: "privacy" };
  if (first === "data" && second === "fields" && parts.length === 2) return { page: "fields" };
  if (first === "data" && second === "metafields" && parts.length === 2) return { page: "metafields" };
  if (first === "data" && second === "features" && parts.length === 2) return { page: "features" };
  if (first === "data" && second === "quality" && parts.length === 2) return { page: "quality" };
  if (first === "audit" && parts.length === 1) return { page: "audit" };
  if (first === "audit" && second === "access" && parts.length === 2) return { page: "access" };
  if (first === "team" && parts.length === 1) return { page: "team" };
  return { page: "missing", path };
}

function safely(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/** The address a click leads to inside this app; null: let the browser (or the admin) handle it. */
export function ownAddress(event: MouseEvent, origin: string): string | null {
  if (event.defaultPrevented || event.button !== 0) return null;
  if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return null;
  for (const node of event.composedPath()) {
    if (!(node instanceof Element)) continue;
    const href = said(node, "href");
    if (!href) continue;
    const target = said(node, "target");
    if ((target && target !== "_self" && target !== "auto") || said(node, "download")) return null;
    return addressWithin(href, origin);
  }
  return null;
}

/** A value of a plain or custom element: Preact sets a property where the element has one, else an attribute. */
function said(node: Element, name: "href" | "target" | "download"): string | null {
  const property: unknown = (node as Element & Record<typeof name, unknown>)[name];
  return typeof property === "string" && property !== "" ? property : node.getAttribute(name);
}

function addressWithin(href: string, origin: string): string | null {
  let url: URL;
  try {
    url = new URL(href, origin);
  } catch {
    return null;
  }
  if (url.origin !== origin || routeOf(url.pathname).page === "missing") return null;
  return url.pathname + url.search + url.hash;
}

export function navigate(address: string): void {
  if (address !== location.pathname + location.search + location.hash) history.pushState(null, "", address);
  dispatchEvent(new PopStateEvent("popstate"));
  scrollTo(0, 0);
}

export function useRoute(): Route {
  const [route, setRoute] = useState(() => routeOf(location.pathname));
  useEffect(() => {
    const follow = () => setRoute(routeOf(location.pathname));
    const click = (event: MouseEvent) => {
      const address = ownAddress(event, location.origin);
      if (address === null) return;
      event.preventDefault();
      navigate(address);
    };
    // App Bridge tells of a click in the admin's own navigation by this event on the link.
    const fromAdmin = (event: Event) => {
      const href = event.target instanceof Element ? said(event.target, "href") : null;
      const address = href ? addressWithin(href, location.origin) : null;
      if (address === null) return;
      event.preventDefault();
      navigate(address);
    };
    addEventListener("popstate", follow);
    document.addEventListener("click", click);
    document.addEventListener("shopify:navigate", fromAdmin);
    return () => {
      removeEventListener("popstate", follow);
      document.removeEventListener("click", click);
      document.removeEventListener("shopify:navigate", fromAdmin);
    };
  }, []);
  return route;
}
