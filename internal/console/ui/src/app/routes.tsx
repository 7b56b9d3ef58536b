// The route table: each folder of pages/ has a page.ts that describes it, and nothing else lists pages.
import { lazy, Suspense, useEffect, type ComponentType } from "react";
import { createBrowserRouter, Navigate, Outlet, useLocation, type RouteObject } from "react-router";
import { Loading } from "@/kit/Async";
import { useLang } from "@/lang";
import { Broken, Forbidden, NotFound, Unreachable } from "./Faults";
import type { Page, Route } from "./page";
import { allowed, useSessionQuery } from "./session";
import { Shell } from "./Shell";

const files = import.meta.glob<{ default: Page }>("../pages/*/page.ts", { eager: true });
export const pages: Page[] = Object.values(files).map((f) => f.default);

/** Lets those pass who may see the page; sends others to sign in, or says why not. */
function Guard({ route, Content }: { route: Route; Content: ComponentType }) {
  const { data: session, error, isPending, refetch } = useSessionQuery();
  const lang = useLang();
  const here = useLocation();
  useEffect(() => {
    document.title = `${route.title[lang]} · Heliograph`;
  }, [route, lang]);
  if (route.permission !== "public") {
    if (isPending) return <Loading whole />;
    if (!session) return <Unreachable error={error} again={() => void refetch()} />;
    if (!session.signed_in) {
      const to = here.pathname + here.search + here.hash;
      return <Navigate to={`/sign-in${to === "/" ? "" : `?return=${encodeURIComponent(to)}`}`} replace />;
    }
    if (!allowed(session, route.permission)) return <Forbidden />;
  }
  return (
    <Suspense fallback={<Loading />}>
      <Content />
    </Suspense>
  );
}

function toRoute(route: Route): RouteObject {
  return { path: route.path, element: <Guard route={route} Content={lazy(route.load)} />, errorElement: <Broken /> };
}

/** The frame for who is signed in; Guard sends away who is not. */
function Framed() {
  const { data: session } = useSessionQuery();
  return session?.signed_in ? <Shell pages={pages} /> : <Outlet />;
}

/** The first page that the person may see. */
function Home() {
  const { data: session } = useSessionQuery();
  const first = pages
    .flatMap((p) => (p.nav && allowed(session, p.nav.permission) ? [p.nav] : []))
    .sort((a, b) => rank(a.group) - rank(b.group) || a.order - b.order)[0];
  return <Navigate to={first && first.to !== "/" ? first.to : "/me/security"} replace />;
}
const rank = (g: string) => ["home", "mail", "own", "automation", "operations", "administration"].indexOf(g);

const all = pages.flatMap((p) => p.routes);
const overview = all.find((r) => r.path === "/");

/** At / stands the overview for those who may see it; others go to their first page. */
function Start() {
  const { data: session } = useSessionQuery();
  if (overview && (!session?.signed_in || allowed(session, overview.permission))) return <Guard route={overview} Content={Overview} />;
  return <Guard route={{ path: "/", permission: "signed_in", title: { zh: "首页", en: "Home" }, load: missing }} Content={Home} />;
}
const missing = () => Promise.reject(new Error("never loaded"));
const Overview = lazy(overview?.load ?? missing);

export const router = createBrowserRouter([
  {
    errorElement: <Broken whole />,
    children: [
      ...all.filter((r) => r.bare).map(toRoute),
      {
        element: <Framed />,
        children: [
          { index: true, element: <Start />, errorElement: <Broken /> },
          ...all.filter((r) => !r.bare && r.path !== "/").map(toRoute),
          {
            path: "*",
            element: <Guard route={{ path: "*", permission: "signed_in", title: { zh: "没有这个页面", en: "No such page" }, load: missing }} Content={NotFound} />,
          },
        ],
      },
    ],
  },
]);
