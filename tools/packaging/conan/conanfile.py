import os

from conan import ConanFile
from conan.tools.files import copy, get
from conan.tools.layout import basic_layout

required_conan_version = ">=2.0"


class OpensandboxConan(ConanFile):
    name = "opensandbox"
    description = "Client for OpenSandbox in one C header: no heap, no threads, kilobytes of RAM"
    license = "Apache-2.0", "MIT"
    homepage = "https://github.com/opensandbox-group/OpenSandbox"
    topics = ("http", "sandbox", "client", "embedded", "header-only")
    package_type = "header-library"
    settings = "os", "arch", "compiler", "build_type"
    no_copy_source = True

    def layout(self):
        basic_layout(self, src_folder="src")

    def source(self):
        get(self, **self.conan_data["sources"][self.version], strip_root=True)

    def package(self):
        copy(self, "LICENSE", self.source_folder, os.path.join(self.package_folder, "licenses"))
        copy(
            self,
            "*.h",
            os.path.join(self.source_folder, "src"),
            os.path.join(self.package_folder, "include", "opensandbox"),
        )

    def package_id(self):
        self.info.clear()

    def package_info(self):
        self.cpp_info.includedirs = [os.path.join("include", "opensandbox")]
        self.cpp_info.bindirs = []
        self.cpp_info.libdirs = []
        self.cpp_info.set_property("pkg_config_name", "opensandbox")
