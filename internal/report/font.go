package report

import (
	"fmt"
	"os"
)

// Font names the TrueType files (.ttf) that PDF text is drawn with.
type Font struct {
	Regular string
	Bold    string // Regular if empty
}

// FontPackage is the Debian package whose font is found without any setting, and FontSetting the key that names another.
const (
	FontPackage = "fonts-lxgw-wenkai"
	FontSetting = "rules.reports.font"
)

// debianFont is where FontPackage puts its files.
var debianFont = Font{
	Regular: "/usr/share/fonts/truetype/lxgw-wenkai/LXGWWenKai-Regular.ttf",
	Bold:    "/usr/share/fonts/truetype/lxgw-wenkai/LXGWWenKai-Bold.ttf",
}

// sample are characters that a font for Chinese business mail cannot be without.
const sample = "的一是预算实际差额部门合计质量报告客户订单￥，。：（）AZaz09.%"

// FindFont gives the font to draw PDF with: the configured one, else that of the Debian package, and makes sure that it can be
// used. The error says which package to install or which setting to set.
func FindFont(configured Font) (Font, error) {
	if configured.Regular == "" && configured.Bold != "" {
		return Font{}, wrong("%s names a bold font but no regular one", FontSetting)
	}
	font, source := configured, FontSetting
	if configured.Regular == "" {
		font, source = debianFont, "the package "+FontPackage
		if _, err := os.Stat(font.Regular); err != nil {
			return Font{}, wrong("there is no font to draw PDF with: install the package %s, or set %s to a TrueType font (.ttf) with Chinese characters", FontPackage, FontSetting)
		}
		if _, err := os.Stat(font.Bold); err != nil {
			font.Bold = ""
		}
	}
	for _, path := range []string{font.Regular, font.Bold} {
		if path == "" {
			continue
		}
		f, err := loadFace(path)
		if err != nil {
			return Font{}, wrong("the font of %s cannot be used: %w", source, err)
		}
		for _, r := range sample {
			if !f.draws(r) {
				return Font{}, wrong("the font of %s cannot be used: %s has no %q; set %s to a TrueType font with Chinese characters, or install the package %s", source, path, r, FontSetting, FontPackage)
			}
		}
	}
	return font, nil
}

// maxFont bounds a font file; the largest CJK fonts have some 30 MB.
const maxFont = 64 << 20

// face is one font file and what it can draw.
type face struct {
	path  string
	data  []byte
	drawn [1 << 16 / 64]uint64 // the characters of the basic plane with a visible glyph, or that are blank by nature
}

func (f *face) draws(r rune) bool {
	return r >= 0 && r < 1<<16 && f.drawn[r/64]&(1<<(r%64)) != 0
}

func loadFace(path string) (*face, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("look at the font: %w", err)
	}
	if info.Size() > maxFont {
		return nil, wrong("%s: %w", path, bound("bytes of a font", int(info.Size()), maxFont))
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read the font: %w", err)
	}
	f := &face{path: path, data: data}
	if err := f.inspect(); err != nil {
		return nil, wrong("%s: %w", path, err)
	}
	return f, nil
}
