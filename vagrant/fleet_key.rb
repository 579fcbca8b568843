require "fileutils"

# The fleet has one key, and every machine needs it before it can join. This
# provisioner carries it: the first machine that comes up makes the key, the host
# keeps it with the rest of what Vagrant knows of the lab (.vagrant/redfleet, 0700, the
# file 0600, never in git), and each other machine gets it from there. No shared folder
# is in play, nor the guest additions that those need, and the key is in no argument,
# environment or output.
module RedfleetLab
  class FleetKeyConfig < Vagrant.plugin("2", :config)
    # The folder on the machine that `redfleet init` makes, with fleet.key in it.
    attr_accessor :folder
    # The call of `redfleet init`. It keeps a key that is there.
    attr_accessor :init
  end

  class FleetKey < Vagrant.plugin("2", :provisioner)
    def provision
      FileUtils.mkdir_p(kept.dirname, mode: 0o700)
      # Machines come up side by side with some providers.
      File.open("#{kept}.lock", File::RDWR | File::CREAT, 0o600) do |lock|
        lock.flock(File::LOCK_EX)
        give if kept.exist?
        @machine.communicate.sudo(config.init)
        take unless kept.exist?
      end
    end

    private

    def kept
      @machine.env.local_data_path.join("redfleet", "fleet.key")
    end

    # Vagrant uploads as its own user, and readable to all: so into a folder that is not.
    def give
      box = @machine.communicate
      box.execute("install -d -m 0700 ~/lab/key")
      box.upload(kept.to_s, "lab/key/fleet.key")
      box.sudo("install -d -m 0700 #{config.folder} && install -m 0600 ~vagrant/lab/key/fleet.key #{config.folder}/fleet.key; " \
               "code=$?; rm -rf ~vagrant/lab/key; exit $code")
    end

    def take
      key = +""
      @machine.communicate.sudo("cat #{config.folder}/fleet.key") do |stream, text|
        key << text if stream == :stdout
      end
      File.open("#{kept}.new", File::WRONLY | File::CREAT | File::TRUNC, 0o600) { |file| file.write(key) }
      File.rename("#{kept}.new", kept)
    end
  end

  class Plugin < Vagrant.plugin("2")
    name "redfleet-lab"
    config(:fleet_key, :provisioner) { FleetKeyConfig }
    provisioner(:fleet_key) { FleetKey }
  end
end
