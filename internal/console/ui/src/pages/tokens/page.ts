import { KeyOutlined } from "@ant-design/icons";
import { definePage } from "@/app/page";

const title = { zh: "API 令牌", en: "API tokens" };

export default definePage({
  routes: [{ path: "/tokens", permission: "tokens.own", title, load: () => import("./Tokens") }],
  nav: { to: "/tokens", group: "own", order: 95, icon: KeyOutlined, permission: "tokens.own", title },
});
