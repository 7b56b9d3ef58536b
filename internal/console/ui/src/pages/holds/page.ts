import { PauseCircleOutlined } from "@ant-design/icons";
import { definePage } from "@/app/page";
import { AllHeld } from "./AllHeld";

const title = { zh: "暂停与急停", en: "Holds" };

export default definePage({
  routes: [{ path: "/holds", permission: "rules.read", title, load: () => import("./Holds") }],
  nav: { to: "/holds", group: "automation", order: 50, icon: PauseCircleOutlined, permission: "rules.read", title, badge: AllHeld },
});
