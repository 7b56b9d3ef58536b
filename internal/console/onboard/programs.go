package onboard

import "fmt"

// Program is how one mail program is set up.
type Program struct {
	ID        string
	Name      Text
	Automatic bool   // it finds the settings after the address was typed
	Link      string // something to open instead of typing
	Steps     []Text
}

// programs are the steps, with this gateway's servers in them.
func (b *Book) programs(g *Guide) []Program {
	public := b.console() != "" && b.o.Config.Enabled
	in, out := g.Incoming[0], g.Outgoing[0]
	pass := Text{
		"Type the password that this page describes.",
		"密码请按本页的说明填写。",
	}
	user := Text{
		fmt.Sprintf("User name, for both servers: %s", g.Address),
		fmt.Sprintf("两个服务器的用户名都是：%s", g.Address),
	}
	incoming := Text{
		fmt.Sprintf("Incoming mail: IMAP (not POP), server %s", in.words()),
		fmt.Sprintf("收信：选择 IMAP（不要选 POP），服务器 %s", in.words()),
	}
	outgoing := Text{
		fmt.Sprintf("Outgoing mail: SMTP, server %s; it needs the same user name and password", out.words()),
		fmt.Sprintf("发信：SMTP，服务器 %s；需要相同的用户名和密码", out.words()),
	}
	byHand := []Text{incoming, outgoing, user, pass}
	return []Program{
		{ID: "thunderbird", Name: Text{"Thunderbird", "Thunderbird（雷鸟）"}, Automatic: public, Steps: thunderbird(public, pass, byHand)},
		{ID: "outlook", Name: Text{"Outlook", "Outlook"}, Automatic: public, Steps: outlook(public, pass, byHand)},
		{ID: "apple_mail", Name: Text{"Mail on a Mac", "Mac 邮件"}, Link: g.ProfileURL, Steps: apple(g, Text{
			"System Settings, General, Device Management: open the profile and install it.",
			"打开“系统设置”→“通用”→“设备管理”，打开该描述文件并安装。",
		}, pass, byHand)},
		{ID: "ios", Name: Text{"iPhone and iPad", "iPhone 和 iPad"}, Link: g.ProfileURL, Steps: apple(g, Text{
			"Settings, Profile Downloaded: install it. iOS says that it is not verified, because it is not signed.",
			"打开“设置”→“已下载描述文件”并安装。描述文件没有签名，系统会提示“未验证”。",
		}, pass, byHand)},
		{ID: "android", Name: Text{"Android (Gmail app)", "安卓（Gmail 应用）"}, Steps: with(byHand, Text{
			fmt.Sprintf("Gmail app: Settings, Add account, Other. Type %s, choose Personal (IMAP).", g.Address),
			fmt.Sprintf("Gmail 应用：设置 → 添加账号 → 其他，输入 %s，选择“个人 (IMAP)”。", g.Address),
		})},
		{ID: "foxmail", Name: Text{"Foxmail", "Foxmail"}, Steps: with(byHand, Text{
			"Foxmail: Settings, Accounts, New, Other mailbox, Manual.",
			"Foxmail：设置 → 账号 → 新建 → 其他邮箱 → 手动设置。",
		})},
		{ID: "netease", Name: Text{"NetEase Mail Master", "网易邮箱大师"}, Steps: with(byHand, Text{
			"NetEase Mail Master: Add mailbox, Other mailbox; choose to set up by hand (手动配置) when it asks.",
			"网易邮箱大师：添加邮箱 → 其他邮箱，提示时选择“手动配置”。",
		})},
	}
}

func with(steps []Text, first ...Text) []Text { return append(first, steps...) }

func thunderbird(public bool, pass Text, byHand []Text) []Text {
	if public {
		return []Text{
			{"Menu, New, Existing Mail Account: type your name, address and password, then Continue.", "菜单 → 新建 → 现有邮件账号：输入姓名、邮件地址和密码，点“继续”。"},
			{"Thunderbird finds the settings by itself. Choose IMAP and Done.", "Thunderbird 会自动找到配置，选择 IMAP，点“完成”。"},
			pass,
		}
	}
	return with(byHand, Text{
		"Menu, New, Existing Mail Account: type name and address, then Configure manually.",
		"菜单 → 新建 → 现有邮件账号：输入姓名和邮件地址，点“手动配置”。",
	})
}

func outlook(public bool, pass Text, byHand []Text) []Text {
	if public {
		return []Text{
			{"File, Add Account: type your address, then Connect.", "文件 → 添加账户：输入邮件地址，点“连接”。"},
			{"If Outlook asks for the kind of account, choose IMAP. If it does not find the settings, choose Advanced and set up by hand:", "如果询问账户类型，请选择 IMAP。如果没有自动找到配置，选择“高级选项”，手动设置："},
			pass, byHand[0], byHand[1],
		}
	}
	return with(byHand, Text{
		"File, Add Account: type your address, Advanced options, Let me set up my account manually, IMAP.",
		"文件 → 添加账户：输入邮件地址，高级选项 → 让我手动设置我的账户 → IMAP。",
	})
}

func apple(g *Guide, install, pass Text, byHand []Text) []Text {
	if g.ProfileURL == "" {
		return with(byHand, Text{
			"Settings, Mail, Accounts, Add Account, Other, Add Mail Account.",
			"设置 → 邮件 → 账户 → 添加账户 → 其他 → 添加邮件账户。",
		})
	}
	return []Text{{
		"Open the profile with Safari, or scan the code with the camera, and allow the download.",
		"用 Safari 打开描述文件，或用相机扫描二维码，并允许下载。",
	}, install, pass}
}
