# SPDX-License-Identifier: Apache-2.0
# Copyright LoAS contributors
# Packages fpga/pynq_z2/loas_pynq_z2.v and rtl/ as the IP loas:loas:loas_pynq_z2:1.0 in build/fpga/pynq_z2/ip.
#   vivado -mode batch -source fpga/pynq_z2/package_ip.tcl
# NOT RUN IN VIVADO by this project: written against Vivado 2022.1's documentation (UG1118, UG835).

set here [file normalize [file dirname [info script]]]
set root [file normalize [file join $here .. ..]]
set out  [file join $root build fpga pynq_z2]
file mkdir $out

create_project -force loas_ip [file join $out ip_project] -part xc7z020clg400-1
set sources [concat [glob [file join $root rtl *.v]] [glob [file join $root rtl * *.v]] [file join $here loas_pynq_z2.v]]
add_files -norecurse $sources
add_files -norecurse [file join $root rtl loas_defs.vh]
set_property file_type {Verilog Header} [get_files loas_defs.vh]
set_property is_global_include true [get_files loas_defs.vh]
set_property include_dirs [file join $root rtl] [current_fileset]
set_property top loas_pynq_z2 [current_fileset]
update_compile_order -fileset sources_1

ipx::package_project -root_dir [file join $out ip] -vendor loas -library loas -taxonomy /UserIP -import_files -set_current true
set core [ipx::current_core]
set_property name         loas_pynq_z2 $core
set_property version      1.0 $core
set_property display_name {LoAS} $core
set_property description  {Accelerator for dual-sparse spiking neural networks} $core

# the packager infers s_axi, m_axi, aclk and aresetn from their names; what it cannot know is said here
foreach bus {s_axi m_axi} { ipx::associate_bus_interfaces -busif $bus -clock aclk $core }
ipx::infer_bus_interface irq xilinx.com:signal:interrupt_rtl:1.0 $core
set sense [ipx::add_bus_parameter SENSITIVITY [ipx::get_bus_interfaces irq -of_objects $core]]
set_property value LEVEL_HIGH $sense
set polarity [ipx::add_bus_parameter POLARITY [ipx::get_bus_interfaces aresetn -of_objects $core]]
set_property value ACTIVE_LOW $polarity

foreach bus {s_axi m_axi aclk aresetn irq} {
    if {[ipx::get_bus_interfaces $bus -of_objects $core] eq ""} { error "interface $bus was not found by the packager" }
}
ipx::create_xgui_files $core
ipx::update_checksums $core
if {[ipx::check_integrity $core] != 1} { error "the packaged IP is not whole" }
ipx::save_core $core
close_project
puts "packaged: [file join $out ip]"
