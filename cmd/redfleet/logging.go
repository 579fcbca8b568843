package main

import (
	"io"
	"time"

	"github.com/sirupsen/logrus"
)

// newLog makes the log of a daemon: to stderr, where systemd or the lab's
// supervisor takes it. level and format were checked with the configuration.
func newLog(w io.Writer, level, format, component, name string) (logrus.FieldLogger, error) {
	log := logrus.New()
	log.SetOutput(w)
	parsed, err := logrus.ParseLevel(level)
	if err != nil {
		return nil, err
	}
	log.SetLevel(parsed)
	if format == "json" {
		log.SetFormatter(&logrus.JSONFormatter{TimestampFormat: time.RFC3339Nano})
	} else {
		log.SetFormatter(&logrus.TextFormatter{DisableColors: true, FullTimestamp: true, TimestampFormat: "2006-01-02T15:04:05.000Z07:00"})
	}
	return log.WithField(component, name), nil
}
