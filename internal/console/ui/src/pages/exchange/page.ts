import { SwapOutlined } from "@ant-design/icons";
import { definePage } from "@/app/page";

const title = { zh: "导入与导出", en: "Import and export" };

export default definePage({
  // Tables are for all who read rules; the page shows each what they may do.
  routes: [
    { path: "/exchange", permission: "rules.read", title, load: () => import("./Exchange") },
    { path: "/exchange/imports/:id", permission: "data.import", title: { zh: "导入", en: "Import" }, load: () => import("./Import") },
    { path: "/exchange/tables/:name", permission: "rules.read", title: { zh: "数据表", en: "Table" }, load: () => import("./Table") },
  ],
  nav: { to: "/exchange", group: "administration", order: 40, icon: SwapOutlined, permission: "rules.read", title },
});
