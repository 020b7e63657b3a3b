"""Write py/dicomveil/data/vocabulary.txt: the words that a description may keep (PS3.15 E.3.5).

    python py/generate_vocabulary.py

Words come from the concept names of PS3.16 that pydicom carries, and from ``IMAGING``, reviewed by hand.
Of the concept names only words that occur in lower case inside a name, or wholly in capitals, are taken:
eponyms and places (Baker, Wilson, Kennel Club) are capitalised, and are what a person may be called too.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import cast

from pydicom.sr._concepts_dict import concepts

TARGET = Path(__file__).parent / "dicomveil" / "data" / "vocabulary.txt"
_WORD = re.compile(r"[A-Za-z][A-Za-z']*")

#: Words of protocols, sequences, anatomy, and what is done with images, in the languages of the page.
IMAGING = """
abd abdo abdome abdomen abdomens abdominal abdominale abdominales abdomino abdominopelvis abdómen abi abzess
adc addome addominale ader adrenal adult adults aif anca angio angiogram angiographie angiography ankle ankles
ant anterior aorta aortic aortogram ap apical appendix apt arm artefact arteria arterial arterias arterie
arterien arteries artery arthro artifact artère artères asir asl aufnahme avec avf avl avr ax axel axial
axials axilla b0 barium bark baseline bassin bauch bauchorgane bauchraum beam becken beckenübersicht befund
bein beine bez bh bilat bilateral bilaterally biodro biopsy bit bite bits bladder blade blood bold bolus bone
bones borst bowel braccio brachial brain brainstem bras brasier breast breath breathhold brust
brustwirbelsäule brzuch bröst buik buk bw bws bypass c cabeza cabeça cad cadera calcium calf calibration
cardiac carotid carotids cartilage catheter caudal caviglia cavities cavum cbct cbf cbv cc cect cemra cerebral
cerebro cerveau cervical cervicale cervico cest chest chests cheville child children cholangio chst cine
circle cisternography clariscan clavicle cle cm cns coccyx codo coeur col collection collo colon colonna
colonography color colour columna coluna combi combined combo comp comparison compress compressed compression
con cone conebeam cont contour contours contrast contraste control controle conversion converted cor coro
coronal coronals coronary corpus corr cou coude cow cr crane cranial cranio craniocaudal cráneo crâne crânio
csf csi cspine ct cta ctp ctv cube cuello cuisse cuore cv cérébral cérébrale cœur darm data dataset decompress
definity deform delay delayed deltoid demonstration derecha derecho derived destra destro dfov diagnostics
diast dicom diff diffusion dir disc discs dixon dlp document dominant dopler doppelt doppler dorsal
dorsolumbar dose dosimetry dot dotarem dr drip drl droit droite droits dsa dti dual duodenum durchleuchtung
dwi dx dyn dynamic dynamics dynamik dynamique dünnschicht ebene ebenen ecg echo echocardiogram echocardiogramm
echocardiographic echocardiography echografie echogram echographie ecocardiograma ecocardiogramma ecografia
ecografía ecotomografia ecv ehepatobiliary elbow elbows electrocardiogram ellbogen ellenbogen encefalo
encéfalo encéphale enhanced enkel enterography eovist ep2d epau epi epigastric equilibrium erect error esame
esophagus espacio esquel esqueleto estomac estudio etl exam exame examen examination exp expiration expiratory
ext extremity eye face facial fase fast fat fatsat fb fdg feet fegato femoral femur fetal fetus ffe fgre
fibroma fiducial field fiesta file files film filtered finger fl flair flash flex flexion flip flow fluid
fluorine fluoro fmri foie follow followup foot forearm form format fossa fov fr fracture fractured fragments
frames free frfse front frontal fs fse fspgr func function functional fused fusion fuss fuß fígado füße gad
gadavist gado gadobutrol gadolinium gadoterate gadovist gallbladder gated gating gauche ge geen gefäße gehirn
gelenk generated genou genoux gesicht gi ginocchio gland glenoid global gomito graft gre groin gut głowa hals
halswirbelsäule hanche hanches hand handgelenk hands haste hbp head heart heel helical hepatic hepato
hepatobiliary hersenen herz heup high hip hips hires hirn hirnstamm hjärta hombro hoofd hr hrct hueso humerus
huvud hws hígado höft hüfte hüften iac icp idi ii iii ileum iliac iliacs image imagen images imaging imeron
inf inferior inflow infusion ingen injection injecté injectée inner inphase insp inspiration inspiratory int
interior interleave interventional intra intracranial iodinated iodine iohexol iomeprol iomeron iopamidol
iopromide ir irm irreversible iso isocenter isocentre isometric isotropic isovue iv ivc ivcon ivp izquierda
izquierdo jambe jaw joelho joint jpeg kein keine kernel keyimages kidney kidneys kiefer kind kinder klatka
kleinhirn km knee kneeling knees knie knochen knä knöchel kolano kontrast kontrastmittel kopf kopfhals
koronale kręgosłup kub kv kvp la lage lat lateral laterale lava lax lbv leber left leg legs leiste
lendenwirbelsäule lever ligament links liver lle lleg lls loaded loc local localiser localizer locations
locator lombaire long longen lossless lossy lower lue lumason lumbar lung lunga lunge lungor lungs lut luts
lws lymph macroscopic mag magen magnevist main mains mama mamas mamma mammella mammo mammogram mammographie
mammography mamografía mandible mano manual map maps marked markers markup mask matrix maxilla measurement
measurements med medial median mediastinum memprage meniscus mesenteric mg microvolt millisecond milliseconds
millivolt milz min minip mip mit mixed mlo mm mobiview moco modality mode mono monoenergetic morphologically
motion moving mp2rage mpr mprage mr mra mrcp mri mrs mrt mrv ms mtp multi multiframe multihance multiphase
multiplanar multislab multislice musc muscle muscles musculoskeletal muslo muñeca muñecas myelo myelogram
myelography myocardium músc nach nasal nasennebenhöhlen nativ native navi navigator ncct near nebenhöhlen neck
negative nerve neuro neuroimaging nicht nier niere nieren nil nm no non noncontrast none normal normale nose
not nuclei null oberarm oberbauch obere oberer oberes oberschenkel obl obli oblicua oblique obliques obs
occipital odd oeil offset ohne ol ombro omnipaque omniscan onderzoek one onset optison oral orbit orbita
orbits oreille organ organe original os osirix ossifying out outer outphase ovary overlay overlays pa
paediatric palette pancreas panorama parallel paranasal paraspinal parenchyma parotid part pasat pat patch pc
pca pcasl pd pdfs pdw pecho pediatric pelvic pelvien pelvienne pelvis penis perf perfil perfusion peripheral
pet pfile phantom pharynx phase phased phases pie pied piede pierna piersiowa pilot pituitary pixel pixels
plain plan planar plane planes planning plantar pns poignet points polmone polmoni pols polso portal
portovenous posdisp posico position positioning post posterior posteroanterior poumon poumons power pre
precision precontrast presentation press primovist procedure progression progressive prohance projection prone
propeller prosp prostate protocol proton ptv pulm pulmonary pulmones pulmão pulmón pulsed punho pé qa qsm qtc
quad quadril quality quantitative quick rachidien rachis radial radio radiografia radiografía radiograph
radiography radiotherapy radius range rao rapid ratio raw rcbv rds reader reading readout real realtime
rebuild rechts recon recons reconstructed reconstruction reconstructions ref reference reformat reformatted
reg region rein reins relaxation renal rene reni resampled rescaled research resolution resolve resonancia
respiratory rest resting retro retroperitoneum reversible rf rg rgb rhythm rib ribs right rigid rins rippen
ritmo riñones riñón rle rls rm rms rodilla rodillas roi rois rot rotated rotation rotula routine rows rue rug
run rx röntgen rücken sacrum sag sagittal sagittale sagittals sample samples sans saph sat saturation save sax
sb scaled scan scanner scanogram scans scapula schicht schichten schouder schulter schwannoma schädel scout
scrambled screen screening screw se secondary section sections seg segment segmentations segmented sehne sein
seins seizures selection sella sem seno sense sensor senza seq sequence sequential ser series sestamibi set
short shoulder shoulders si side signed signs simple simulation sin single sinistra sinistro sinus sinusale
sinuses skeletal skull slab slabs slice slices slide sliding small smart smartscore soft software sonographie
sonovue space spair spalla spect spectral spectro spectroscopy speiseröhre spgr spin spinal spine spines spir
spiral spleen spoiled sprunggelenk spätphase sr ss ssfse ssh sshtse sssh stabilization stack stacks staining
standard standing state static statistics std stereo sternum stir stirt stomach stress stroke structured study
subclavian subtracted subtraction sulfate sulphate summary sup superior supine supraspinatus surface surg
survey susceptibility swallow swan swi syst systolic séquence t tac tap target tc te tee temp template
templates temporal tendon test testa testbolus tested testicular testing tests tfe tfl thick thigh thin
thoracic thoracique thoraco thorax thoraxorgane throat thumb thyroid tibia tilted time tir tirm tm tobillo
tobillos toe toes tof tomo tomografia tomografía tongue top topo topogram topograms torace tornozelo torso
total tra trace tracew trachea tract tracts trans transaxial transducer transesophageal transform transition
transthoracic transverse trauma trigger triggered truesfi trufi trufisp tse tumor tumour turbo twist tête
tórax uden uib ultrasound ultravist uncompressed unenhanced ungated unilateral unsigned unspecified unterarm
unterbauch untere unterer unteres unterschenkel upper ureter urogram urography us user utan ute uterus value
values valve valves vascular vein veins vejiga velocity vena venas venc venogram venography venous ventilation
verlauf version vertebra vertebral vessel vessels vessie vibe view views virtual visceral visipaque vista voet
voi vol volume volumes volumetric vr vrt w wall wand warp wash washout water wb weight weighted weightings
whole window windowed windows wirbel wirbelsäule with without wo wrist wrists xa xr xray xrays year years yes
zahn zeh zehen zonder zoom zte zähne échographie épaule épaules übersicht
"""

#: Words that are, above all in a description, names of persons and places, or say that one or an ID follows.
NAMES = """
ann axel berlin bob borst bracke brown colonna cousin crystal dane di dr ed fox gene glass green gross
hansel herder herz hospital id ids iris kind little mark marsh max may mrs oh page pei petit quick ray
rene reni rex rich ro rose ruler salt sam sandy sharp shepherd sian silver sky st stone strong tal testa
titan tu van vi violet von walker wayson wild wright xi zahn
"""


def vocabulary() -> list[str]:
    """Return the words in lower case, sorted."""
    words = set(IMAGING.split())
    for names in cast("dict[str, dict[str, dict[str, tuple[str, object]]]]", concepts).values():
        for codes in names.values():
            for meaning, _cids in codes.values():
                for word in _WORD.findall(meaning):
                    if word.islower() or (word.isupper() and len(word) > 1):
                        words.add(word.casefold())
    return sorted(word for word in words.difference(NAMES.split()) if "'" not in word)


if __name__ == "__main__":
    TARGET.write_text("\n".join(vocabulary()) + "\n", encoding="utf-8")
