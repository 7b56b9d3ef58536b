package oauth

import (
	"testing"

	"heliograph/internal/store/storetest"
)

func TestMain(m *testing.M) { storetest.Main(m) }
