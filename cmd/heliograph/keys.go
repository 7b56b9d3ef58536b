package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"heliograph/internal/journal/segment"
)

type keysCmd struct{ configFlag }

// Run shows where the master keys are and what they are called. It shows no secret and
// makes no key.
func (c *keysCmd) Run() error {
	cfg, err := c.load()
	if err != nil {
		return err
	}
	file := cfg.Journal.KeyFile
	if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("there is no key file at %s: the gateway makes it when it starts for the first time; if it has run before, put the backup there", file)
	}
	keys, _, err := segment.LoadKeyring(file)
	if err != nil {
		return err
	}
	fmt.Println(file)
	for i, id := range keys.IDs() {
		use := "reads older mail"
		if i == 0 {
			use = "encrypts new mail"
		}
		fmt.Printf("    %s  %s\n", id, use)
	}
	fmt.Println("Keep a copy of this file, apart from the copies of the data: without it nobody can read the mail in the journal.")
	fmt.Println("请单独备份此文件：丢失后日志中的邮件将无法读取。")
	return nil
}
