import { SafetyCertificateOutlined } from "@ant-design/icons";
import { definePage } from "@/app/page";

const title = { zh: "登录与安全", en: "Sign-in and security" };

export default definePage({
  routes: [{ path: "/me/security", permission: "signed_in", title, load: () => import("./Security") }],
  nav: { to: "/me/security", group: "own", order: 90, icon: SafetyCertificateOutlined, permission: "signed_in", title },
});
