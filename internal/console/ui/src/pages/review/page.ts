import { UserSwitchOutlined } from "@ant-design/icons";
import { definePage } from "@/app/page";

const title = { zh: "待确认", en: "Review" };

export default definePage({
  routes: [{ path: "/review", permission: "contacts.read", title, load: () => import("./Review") }],
  nav: { to: "/review", group: "mail", order: 40, icon: UserSwitchOutlined, permission: "contacts.read", title },
});
