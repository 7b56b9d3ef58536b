import { SettingOutlined } from "@ant-design/icons";
import { definePage } from "@/app/page";

const title = { zh: "设置", en: "Settings" };

export default definePage({
  routes: [{ path: "/settings", permission: "settings.read", title, load: () => import("./Settings") }],
  nav: { to: "/settings", group: "administration", order: 30, icon: SettingOutlined, permission: "settings.read", title },
  search: { permission: "settings.read", title: { zh: "查找设置项", en: "Find a setting" }, to: (q) => `/settings?q=${encodeURIComponent(q)}`, fits: () => 0.4 },
});
