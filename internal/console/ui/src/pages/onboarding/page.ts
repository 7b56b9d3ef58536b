import { LaptopOutlined } from "@ant-design/icons";
import { definePage } from "@/app/page";

const title = { zh: "设置邮件程序", en: "Set up mail programs" };

export default definePage({
  routes: [
    { path: "/me/programs", permission: "own", title, load: () => import("./MyPrograms") },
    { path: "/me/onboarding", permission: "own", title, load: () => import("./MyPrograms") }, // its name in letters to employees
    { path: "/onboarding", permission: "public", title, load: () => import("./FromLink"), bare: true },
  ],
  nav: { to: "/me/programs", group: "own", order: 20, icon: LaptopOutlined, permission: "own", title },
});
