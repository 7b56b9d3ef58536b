import { UserSwitchOutlined } from "@ant-design/icons";
import { definePage } from "@/app/page";

const title = { zh: "我的邮件", en: "My mail" };

export default definePage({
  routes: [{ path: "/me/mail", permission: "own", title, load: () => import("./MyMail") }],
  nav: { to: "/me/mail", group: "own", order: 10, icon: UserSwitchOutlined, permission: "own", title },
});
