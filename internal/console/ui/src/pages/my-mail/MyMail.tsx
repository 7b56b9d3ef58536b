// An employee's own page: what of mine was mirrored, what I keep out, and which programs send as me.
import { Tabs } from "antd";
import { Link } from "react-router";
import { Head, useFilters } from "@/kit";
import { Devices } from "./Devices";
import { Mirrored } from "./Mirrored";
import { Privacy } from "./Privacy";
import { Status } from "./Status";
import { useText } from "./texts";
import "./my-mail.css";

export default function MyMail() {
  const t = useText();
  const [{ tab }, set] = useFilters({ tab: "mirrored" });
  return (
    <>
      <Head title={t("title")} actions={<Link to="/me/programs">{t("programs")}</Link>}>
        {t("hint")}
      </Head>
      <Status />
      <Tabs
        activeKey={tab}
        onChange={(next) => set({ tab: next })}
        destroyOnHidden
        items={[
          { key: "mirrored", label: t("tab.mirrored"), children: <Mirrored /> },
          { key: "privacy", label: t("tab.privacy"), children: <Privacy /> },
          { key: "devices", label: t("tab.devices"), children: <Devices /> },
        ]}
      />
    </>
  );
}
