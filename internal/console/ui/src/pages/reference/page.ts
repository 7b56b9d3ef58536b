import { ApiOutlined } from "@ant-design/icons";
import { definePage } from "@/app/page";

const title = { zh: "API 参考", en: "API reference" };
const load = () => import("./Reference");

export default definePage({
  routes: [
    { path: "/reference", permission: "signed_in", title, load },
    { path: "/reference/:operation", permission: "signed_in", title, load },
  ],
  nav: { to: "/reference", group: "own", order: 96, icon: ApiOutlined, permission: "signed_in", title },
  search: { permission: "tokens.own", title: { zh: "在 API 参考中查找", en: "Look in the API reference" }, to: (q) => `/reference?q=${encodeURIComponent(q)}`, fits: (q) => (/^\/api|^[a-z]+[A-Z]/.test(q) ? 2 : 0.3) },
});
