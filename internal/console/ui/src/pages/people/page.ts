import { TeamOutlined } from "@ant-design/icons";
import { definePage } from "@/app/page";

const title = { zh: "人员与团队", en: "People and teams" };

export default definePage({
  routes: [{ path: "/people", permission: "people.read", title, load: () => import("./People") }],
  nav: { to: "/people", group: "administration", order: 10, icon: TeamOutlined, permission: "people.read", title },
  search: {
    permission: "people.read",
    title: { zh: "找同事", en: "Find a colleague" },
    to: (q) => `/people?search=${encodeURIComponent(q)}`,
    fits: (q) => (/@/.test(q) ? 0.8 : 0.6),
  },
});
